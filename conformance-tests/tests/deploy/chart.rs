//! The Helm chart: Helm renders it, Kubernetes' schemas accept what comes out, what it promises about
//! the pod holds, and a node accepts the configuration that the pod would give it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use testkit::server::write_file;
use testkit::tools;

use crate::deploy;
use crate::manifests::{self, Kind, find, text_of};
use crate::started::{Node, effective};

/// What Kubernetes the manifests are made for and checked against.
const KUBERNETES: &str = "1.34";
/// Values that set everything that the chart leaves out by default.
const EVERYTHING: &str = r#"
publicName: anchors.example
image: { digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000", pullSecrets: [registry] }
service: { type: LoadBalancer, annotations: { a: b } }
secretMounts: [{ name: chain, secretName: kiln-chain }]
env: [{ name: KILN_LOG, value: info }]
persistence: { existingClaim: claim }
hosts: [kiln.internal]
tls: { secretName: kiln-tls }
metrics: { serviceMonitor: { enabled: true, interval: 1m, labels: { release: prometheus } } }
networkPolicy:
  metricsFrom: [{ podSelector: { matchLabels: { app: prometheus } } }]
  from: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: ingress } } }]
  egress: [{ to: [{ ipBlock: { cidr: 10.0.0.0/8 } }], ports: [{ port: 8545 }] }]
podDisruptionBudget: { enabled: true }
serviceAccount: { annotations: { a: b } }
podAnnotations: { a: b }
podLabels: { a: b }
nodeSelector: { disk: fast }
tolerations: [{ key: storage, operator: Exists }]
affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: zone, operator: In, values: [a] }] }] } } }
priorityClassName: high
"#;

fn helm(arguments: &[&str], values: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("values.yaml");
    write_file(&file, values.as_bytes()).unwrap();
    Command::new(tools::helm().unwrap())
        .args(arguments)
        .arg(deploy("helm/kiln"))
        .arg("--values")
        .arg(&file)
        .env("HOME", folder.path())
        .output()
        .unwrap()
}

fn template(values: &str) -> Output {
    helm(&["template", "--kube-version", KUBERNETES, "node"], values)
}

/// The objects that the chart makes of the values, each checked.
fn objects(values: &str) -> Vec<Value> {
    let rendered = template(values);
    let stderr = String::from_utf8_lossy(&rendered.stderr);
    assert!(rendered.status.success(), "{stderr}");
    manifests::checked(Kind::Kubernetes(KUBERNETES), &rendered.stdout)
}

fn pod(objects: &[Value]) -> &Value {
    let set = find(objects, "StatefulSet");
    assert_eq!(set["spec"]["replicas"], 1, "one process owns the folder");
    &set["spec"]["template"]["spec"]
}

#[test]
fn helm_finds_nothing_to_complain_about() {
    for values in ["publicName: anchors.example", EVERYTHING] {
        let output = helm(&["lint", "--strict"], values);
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{stdout}");
        assert!(!stdout.contains("[WARNING]"), "{stdout}");
    }
}

#[test]
fn what_is_rendered_is_what_kubernetes_publishes() {
    let few = objects("publicName: anchors.example");
    let kinds: Vec<_> = few.iter().map(|it| it["kind"].as_str().unwrap()).collect();
    for kind in ["StatefulSet", "Service", "ConfigMap", "NetworkPolicy"] {
        assert!(kinds.contains(&kind), "no {kind} in {kinds:?}");
    }
    assert!(!kinds.contains(&"PodDisruptionBudget"), "off by default");
    let all = objects(EVERYTHING);
    find(&all, "PodDisruptionBudget");
    assert!(find(&all, "StatefulSet")["spec"]["volumeClaimTemplates"].is_null());
}

#[test]
fn a_wrong_value_is_refused_by_name() {
    let check = |values: &str, part: &str| {
        let output = template(values);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{values} is accepted");
        assert!(stderr.contains(part), "{values}: {stderr}");
    };
    check("{}", "publicName");
    check("publicName: https://anchors.example", "publicName");
    check("{publicName: a.example, replicas: 2}", "replicas");
    check(
        "{publicName: a.example, image: {pullPolicy: Often}}",
        "pullPolicy",
    );
    check("{publicName: a.example, persistence: {size: big}}", "size");
}

#[test]
fn the_pod_may_do_nothing_but_serve() {
    for values in ["publicName: anchors.example", EVERYTHING] {
        let objects = objects(values);
        let pod = pod(&objects);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"],
            "RuntimeDefault"
        );
        assert_eq!(pod["automountServiceAccountToken"], false);
        // A stop takes up to ten seconds.
        assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() >= 15);
        for container in pod["containers"].as_array().unwrap() {
            let context = &container["securityContext"];
            assert_eq!(context["readOnlyRootFilesystem"], true);
            assert_eq!(context["allowPrivilegeEscalation"], false);
            assert_eq!(context["capabilities"]["drop"][0], "ALL");
        }
        let policy = find(&objects, "NetworkPolicy");
        assert_eq!(policy["spec"]["policyTypes"].as_array().unwrap().len(), 2);
    }
}

/// The configuration and the environment that the pod gives the node.
fn given(objects: &[Value]) -> (String, Vec<(String, String)>) {
    let config = text_of(&find(objects, "ConfigMap")["data"]["kiln.toml"]);
    let variables = pod(objects)["containers"][0]["env"].as_array().unwrap();
    let pair = |it: &Value| (text_of(&it["name"]), text_of(&it["value"]));
    (config, variables.iter().map(pair).collect())
}

#[test]
fn the_pod_serves_and_its_probes_are_answered() {
    let objects = objects("publicName: anchors.example");
    let container = &pod(&objects)["containers"][0];
    let (config, environment) = given(&objects);
    let node = Node::start(&config, &environment);
    assert_eq!(node.port_configured, container["ports"][0]["containerPort"]);
    assert_eq!(
        node.metrics_port_configured,
        container["ports"][1]["containerPort"]
    );
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let get = &container[probe]["httpGet"];
        assert_eq!(
            (&get["port"], &get["scheme"]),
            (&"http".into(), &"HTTP".into())
        );
        // Kubernetes asks by the address of the pod; here that is loopback.
        let status = node.status("127.0.0.1:8080", &text_of(&get["path"]));
        assert_eq!(status, 200, "{probe}");
    }
    let service = text_of(&find(&objects, "Service")["metadata"]["name"]);
    for host in [
        &service,
        &format!("{service}.default.svc"),
        "anchors.example",
    ] {
        assert_eq!(node.status(host, "/bdns"), 200, "{host}");
    }
    assert_eq!(node.status("other.example", "/bdns"), 403);
    assert_eq!(node.metrics_status("127.0.0.1:9090"), 200);
    let mounts = container["volumeMounts"].as_array().unwrap();
    let data = mounts.iter().find(|it| it["name"] == "data").unwrap();
    let volume = text_of(&data["mountPath"]);
    assert!(node.data_configured.starts_with(volume));
}

#[test]
fn with_a_certificate_the_pod_speaks_tls_only() {
    let objects = objects(EVERYTHING);
    let container = &pod(&objects)["containers"][0];
    let mounts = container["volumeMounts"].as_array().unwrap();
    let mount = mounts.iter().find(|it| it["name"] == "tls").unwrap();
    let mount = mount["mountPath"].as_str().unwrap();
    // The secret's files, where the pod would have them.
    let secret = tempfile::tempdir().unwrap();
    crate::certificate(secret.path());
    let folder = secret.path().display().to_string();
    let (config, mut environment) = given(&objects);
    for (_, value) in &mut environment {
        *value = value.replace(mount, &folder);
    }
    let effective = effective(&config, &environment);
    assert_eq!(
        effective["node"]["plaintext_beyond_loopback"].as_bool(),
        Some(false)
    );
    let certificate = effective["tls"]["certificate"].as_str().unwrap();
    assert!(certificate.starts_with(&folder), "{certificate}");
    assert_eq!(container["readinessProbe"]["httpGet"]["scheme"], "HTTPS");
}

#[test]
fn the_service_monitor_is_one_for_the_operator() {
    let objects = objects(EVERYTHING);
    let monitor = find(&objects, "ServiceMonitor");
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/service_monitor.cjs");
    let verdict = |object: &Value| {
        let output = Command::new("node")
            .arg(&check)
            .arg(tools::node_modules().unwrap())
            .arg(object.to_string())
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (is_valid, error) = verdict(monitor);
    assert!(is_valid, "{error}");
    let mut wrong = monitor.clone();
    wrong["spec"]["endpoints"][0]["port"] = 9090.into();
    assert!(!verdict(&wrong).0, "a wrong one is accepted");
    // What it selects is there, and has the port.
    let labels = &monitor["spec"]["selector"]["matchLabels"];
    let selected = objects.iter().find(|it| {
        let own = &it["metadata"]["labels"];
        let mut wanted = labels.as_object().unwrap().iter();
        it["kind"] == "Service" && wanted.all(|(name, value)| own[name] == *value)
    });
    let ports = selected.unwrap()["spec"]["ports"].as_array().unwrap();
    let port = &monitor["spec"]["endpoints"][0]["port"];
    assert!(ports.iter().any(|it| it["name"] == *port));
}
