//! The Helm chart: Helm renders it, Kubernetes' schemas accept what comes out, what it promises about
//! the pod holds, and a node accepts the configuration that the pod would give it.

use std::process::{Command, Output};

use serde_json::Value;
use testkit::server::write_file;
use testkit::tools;

use crate::deploy;
use crate::manifests::{self, Kind, find, text_of};
use crate::started::Node;

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
networkPolicy:
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

#[test]
fn the_pod_serves_and_its_probes_are_answered() {
    let objects = objects("publicName: anchors.example");
    let pod = pod(&objects);
    let container = &pod["containers"][0];
    let config = find(&objects, "ConfigMap")["data"]["kiln.toml"]
        .as_str()
        .unwrap();
    let environment = container["env"].as_array().unwrap().iter();
    let environment: Vec<_> = environment
        .map(|it| (text_of(&it["name"]), text_of(&it["value"])))
        .collect();
    let node = Node::start(config, &environment);
    assert_eq!(node.port_configured, container["ports"][0]["containerPort"]);
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let get = &container[probe]["httpGet"];
        assert_eq!(get["port"], "http", "{probe}");
        assert_eq!(node.status(&text_of(&get["path"])), 200, "{probe}");
    }
    let mounts = container["volumeMounts"].as_array().unwrap();
    let data = mounts.iter().find(|it| it["name"] == "data").unwrap();
    let volume = text_of(&data["mountPath"]);
    assert!(node.data_configured.starts_with(volume));
}
