//! The life of a serving process: folder lock, runtime, listening, stopping.

use std::ffi::OsString;
use std::fs::File;
use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Method, Request, StatusCode};
use tokio::sync::watch;
use tokio::time::timeout;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

use crate::access::Need;
use crate::budget::BodyBudget;
use crate::cors::{Cors, Surface};
use crate::domain_config::DomainConfig;
use crate::error::{ApiError, empty};
use crate::freeze;
use crate::front::{Front, Gate, Readiness};
use crate::guard::Guard;
use crate::limits::StoredOf;
use crate::limits_config::LimitsConfig;
use crate::metrics::{Metrics, node_collector, tls_collector};
use crate::observability_config::MetricsListen;
use crate::observer::{Line, Observer};
use crate::operation::OperationOf;
use crate::proxies::TrustedProxies;
use crate::rate::RateLimiter;
use crate::service_manager::{self, State};
use crate::setup::{ServeArgs, Setup};
use crate::system::{outlive_hangups, raise_open_files, stop_signal};
use crate::tls::Tls;
use crate::{
    admin::{self, AdminListener, Administered},
    listener, metrics, operation,
    read_only::ReadOnly,
};

/// Threads for reads, hashing and signature checks. More than the disk has use for; the cap keeps
/// a burst of cold reads from becoming a burst of threads.
const BLOCKING_THREADS_MAX: usize = 32;

/// How long work that outlives its requests may hold up the end of the process.
const LEFTOVERS_TIME_MAX: Duration = Duration::from_secs(1);

/// One service, open and ready to be served.
pub struct Part {
    /// The name under which `/readyz` shows it.
    pub name: &'static str,
    /// Its routes. Each takes the paths that `needs` knows and no others.
    pub routes: Router,
    /// What a request for it needs.
    pub needs: Needs,
    /// Whether it can serve.
    pub readiness: Readiness,
    /// How its requests are called.
    pub operation: OperationOf,
    /// What it counts.
    pub collectors: Vec<Box<dyn prometheus::core::Collector>>,
    /// Its hold on the store.
    pub lock: File,
    /// Listeners of its own, beside the node's.
    pub listeners: Vec<ExtraListener>,
    /// What operators may ask of it: routes that the admin listener serves below
    /// `/admin/v1/<name>`, to callers that it knows.
    pub admin: Router,
    /// What it has stored of a domain, for operators.
    pub stored: StoredOf,
    /// Makes it ready to serve a domain that is added while the node runs; `None` where nothing is
    /// to be done for it.
    pub open_domain: Option<OpenDomain>,
}

/// Makes a part ready to serve a domain.
pub type OpenDomain = Arc<dyn Fn(Arc<DomainConfig>) -> OpeningDomain + Send + Sync>;

/// A domain that is being made ready. The error is what the administrator is told.
pub type OpeningDomain = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// What a request needs, by its method and raw path; `None` when it is for no route of the part. A
/// path that no part knows is answered 404 without asking any route, so that a route that is missing
/// here is closed and not open.
pub type Needs = for<'a> fn(&Method, &'a str) -> Option<Need<'a>>;

/// A listener of one part, beside the node's: the same limits, read-only mode and health routes, but
/// other routes. Beyond loopback it speaks TLS if the node does, on loopback never.
pub struct ExtraListener {
    /// What is served there, as the line on stdout says it (`<name> on http://…`).
    pub name: String,
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Its routes.
    pub routes: Router,
    /// How its requests are called.
    pub operation: OperationOf,
    /// Who may call them.
    pub callers: Callers,
}

/// Who may call the routes of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Whoever reaches it, but for what looks like an accident or a trick: requests that came through
    /// a proxy, or for another host.
    Anyone,
    /// Those whom the routes themselves let in.
    Known,
}

/// The runtime of a serving process.
///
/// # Errors
/// When the operating system gives no threads.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
}

/// Opens a service for a process.
pub type OpenPart = for<'a> fn(&'a Setup) -> Opening<'a>;

/// A service that is being opened.
pub type Opening<'a> = Pin<Box<dyn Future<Output = anyhow::Result<Part>> + 'a>>;

/// The command could not be carried out.
pub const EXIT_FAILED: u8 = 3;

/// All of a serving command: configuration, stores, serving, and what it ends with.
///
/// # Errors
/// What could not be done, in words for the operator.
pub fn serve(
    args: &ServeArgs,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    services: &[OpenPart],
) -> anyhow::Result<()> {
    let Some(setup) = Setup::new(args, as_text(environment)?)? else {
        return Ok(());
    };
    crate::allocator::settle();
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let mut parts = Vec::with_capacity(services.len());
        for open in services {
            parts.push(open(&setup).await?);
        }
        freeze::clear(&setup.config.node.data);
        setup.watch_apihub();
        setup.run(parts).await
    });
    // What still runs was acknowledged to nobody; waiting for it could take for ever.
    runtime.shutdown_timeout(LEFTOVERS_TIME_MAX);
    // The locks go last: until here, something may have held a store.
    outcome.map(drop)
}

/// Serves routes of a process that is no node: limits on time, connections and bodies, and the good
/// end on SIGTERM or SIGINT, but nothing of what a node has in front of its services. Prints
/// `listening on http://…` on stdout when it is ready.
///
/// # Errors
/// When the address cannot be listened on.
pub fn serve_routes(
    listen: SocketAddr,
    routes: Router,
    limits: LimitsConfig,
    budget: BodyBudget,
) -> anyhow::Result<()> {
    raise_open_files();
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let listener = bind(listen)?;
        let address = listener.local_addr()?;
        let routes = routes.layer(CatchPanicLayer::custom(answer_panic));
        let stop = stop_signal()?;
        announce(&format!("listening on http://{address}"))?;
        let answer = move |_, request| {
            let routes = routes.clone();
            async move {
                match routes.oneshot(request).await {
                    Ok(answer) => answer,
                    Err(never) => match never {},
                }
            }
        };
        let connections = Metrics::new()?.connections().clone();
        listener::serve(listener, None, answer, limits, budget, connections, stop).await?;
        Ok(())
    });
    runtime.shutdown_timeout(LEFTOVERS_TIME_MAX);
    outcome
}

/// The variables that could be meant for us. Other programs' may hold any bytes.
fn as_text(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> anyhow::Result<Vec<(String, String)>> {
    let mut variables = Vec::new();
    for (name, value) in environment {
        // Our names are ASCII.
        let Ok(name) = name.into_string() else {
            continue;
        };
        match value.into_string() {
            Ok(value) => variables.push((name, value)),
            Err(_) if name.starts_with(crate::config::ENV_PREFIX) => {
                anyhow::bail!("the variable {name} is not UTF-8 text")
            }
            Err(_) => {}
        }
    }
    Ok(variables)
}

/// Prints an error where people read it, and gives the exit code.
#[must_use]
pub fn exit_code(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(EXIT_FAILED)
    })
}

impl Setup {
    /// Listens, prints `listening on http://…` (or `https`) on stdout, and serves until SIGTERM or
    /// SIGINT.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    async fn run(mut self, mut parts: Vec<Part>) -> anyhow::Result<Vec<File>> {
        raise_open_files();
        let listener = bind(self.config.node.listen)?;
        let address = listener.local_addr()?;
        let administered = Administered::take(&mut parts);
        let (front, locks, extras) = self.front(address, parts)?;
        let admin = AdminListener::bind(&self, &front, address, administered)?;
        let mut bound = Vec::new();
        for extra in extras {
            let listener = listener::bind(extra.listen)
                .with_context(|| format!("cannot listen on {} for {}", extra.listen, extra.name))?;
            bound.push((listener.local_addr()?, listener, extra));
        }
        let metrics_listener = self.metrics_listener()?;
        // From the announcement on a signal must end the process in good order.
        let stop = stop_signal()?;
        match &self.tls {
            Some(tls) => tls.watch()?,
            None => outlive_hangups()?,
        }
        announce(&format!(
            "listening on {}://{address}",
            scheme(self.tls.as_ref())
        ))?;
        let (stopped, _) = watch::channel(());
        let ending = || {
            let mut ending = stopped.subscribe();
            // It fails when the sender is gone, which is the end too.
            async move { drop(ending.changed().await) }
        };
        let mut beside = Vec::new();
        if let Some(admin) = admin {
            announce(&admin.line())?;
            beside.push(tokio::spawn(admin.serve(ending())));
        }
        for (address, listener, extra) in bound {
            let tls = self.tls_at(address);
            announce(&format!(
                "{} on {}://{address}",
                extra.name,
                scheme(tls.as_ref())
            ))?;
            let front = Arc::new(self.front_beside(&front, address, extra));
            let answer = move |peer, request| Arc::clone(&front).answer(peer, request);
            let (limits, budget) = (self.config.limits.clone(), self.budget.clone());
            let connections = self.metrics.connections().clone();
            let serving =
                listener::serve(listener, tls, answer, limits, budget, connections, ending());
            beside.push(tokio::spawn(serving));
        }
        if let Some((address, listener)) = metrics_listener {
            announce(&format!("metrics on http://{address}"))?;
            let (limits, budget) = (self.config.limits.clone(), self.budget.clone());
            let (metrics, guard) = (self.metrics.clone(), self.guard(address, None));
            let serving = metrics::serve(listener, metrics, guard, limits, budget, ending());
            beside.push(tokio::spawn(serving));
        }
        let counters = self.limits.keep_written();
        let (requests_over, over) = tokio::sync::oneshot::channel::<()>();
        let sending = self.spans.take().map(|spans| {
            let over = async { drop(over.await) };
            tokio::spawn(spans.run(over))
        });
        service_manager::tell(self.notify_socket.as_deref(), State::Ready);
        let socket = self.notify_socket.clone();
        let stop = async move {
            stop.await;
            service_manager::tell(socket.as_deref(), State::Stopping);
            drop(stopped);
        };
        let limits = self.config.limits.clone();
        let front = Arc::new(front);
        let answer = move |peer, request| Arc::clone(&front).answer(peer, request);
        let (tls, connections) = (self.tls, self.metrics.connections().clone());
        listener::serve(
            listener,
            tls,
            answer,
            limits,
            self.budget,
            connections,
            stop,
        )
        .await?;
        for serving in beside {
            serving.await??;
        }
        counters.end();
        self.control.write_last_refusals();
        drop(requests_over);
        if let Some(sending) = sending
            && timeout(LEFTOVERS_TIME_MAX, sending).await.is_err()
        {
            tracing::warn!("the spans of the last requests could not be sent in time");
        }
        tracing::info!("stopped");
        Ok(locks)
    }

    fn front(
        &self,
        address: SocketAddr,
        parts: Vec<Part>,
    ) -> anyhow::Result<(Front, Vec<File>, Vec<ExtraListener>)> {
        let config = &self.config;
        let mut routes = Router::new().fallback(nothing_here);
        let (mut readiness, mut locks, mut listeners) = (Vec::new(), Vec::new(), Vec::new());
        let mut needs = Vec::new();
        let mut operations: Vec<OperationOf> = vec![operation::own];
        for part in parts {
            needs.push(part.needs);
            routes = routes.merge(part.routes);
            readiness.push((part.name, part.readiness));
            locks.push(part.lock);
            listeners.extend(part.listeners);
            operations.push(part.operation);
            for collector in part.collectors {
                let register = self.metrics.register(collector);
                register.with_context(|| format!("the metrics of {}", part.name))?;
            }
        }
        let names: Vec<_> = readiness.iter().map(|(name, _)| *name).collect();
        let taken_up = self.limits.take_up(&names);
        taken_up.context("what was used today, in the control database")?;
        let read_only = ReadOnly::new(config.node.read_only, self.read_only_files.clone());
        admin::restore_read_only(&self.control, &read_only)
            .context("the read-only mode in the control database")?;
        read_only.watch_files();
        let front = Front {
            cors: Cors::new(config.cors.origins.clone()),
            guard: Some(self.guard(address, self.tls.as_ref())),
            proxies: TrustedProxies::new(config.node.trusted_proxies.clone()),
            access: self.access.clone(),
            gate: Some(Gate {
                access: self.access.clone(),
                limits: self.limits.clone(),
                needs,
            }),
            rate: self.rate_limiter(),
            read_only,
            parts: readiness,
            routes: routes.layer(CatchPanicLayer::custom(answer_panic)),
            surface: Surface::of,
            observer: self.observer(operations),
            keep_alive: Duration::from_millis(config.limits.header_ms_max),
        };
        let own = node_collector(&self.budget, &front.read_only, &front.parts)?;
        self.metrics.register(own)?;
        if let Some(tls) = &self.tls {
            self.metrics.register(tls_collector(tls)?)?;
        }
        Ok((front, locks, listeners))
    }

    fn observer(&self, operations: Vec<OperationOf>) -> Observer {
        let line = if self.config.log.requests {
            Line::Info
        } else {
            Line::Debug
        };
        let requests = self.metrics.requests().clone();
        Observer::new(requests, operations, self.domains.clone(), line)
    }

    /// The listener of `/metrics`, where it has one of its own.
    fn metrics_listener(&self) -> anyhow::Result<Option<(SocketAddr, tokio::net::TcpListener)>> {
        let MetricsListen::At(listen) = self.config.metrics.listen else {
            return Ok(None);
        };
        let listener = listener::bind(listen)
            .with_context(|| format!("cannot listen on {listen} (metrics.listen)"))?;
        Ok(Some((listener.local_addr()?, listener)))
    }

    /// What stands before a further listener: as before the node's own, with limits of its own.
    fn front_beside(&self, front: &Front, address: SocketAddr, extra: ExtraListener) -> Front {
        let guarded = extra.callers == Callers::Anyone;
        Front {
            cors: front.cors.clone(),
            guard: guarded.then(|| self.guard(address, self.tls_at(address).as_ref())),
            proxies: front.proxies.clone(),
            access: front.access.clone(),
            // Its routes know their callers, or take anyone.
            gate: None,
            rate: self.rate_limiter(),
            read_only: front.read_only.clone(),
            parts: front.parts.clone(),
            routes: extra.routes.layer(CatchPanicLayer::custom(answer_panic)),
            // As the adapters: `*`, for any origin that may read answers at all.
            surface: |_| Surface::Storage,
            observer: front.observer.beside(vec![operation::own, extra.operation]),
            keep_alive: front.keep_alive,
        }
    }

    /// What a further listener speaks: on loopback nothing but plain HTTP.
    fn tls_at(&self, address: SocketAddr) -> Option<Tls> {
        self.tls.clone().filter(|_| !address.ip().is_loopback())
    }

    fn guard(&self, address: SocketAddr, tls: Option<&Tls>) -> Guard {
        let guard = Guard::new(address.ip(), self.config.node.hosts.clone());
        match tls {
            Some(_) => guard.over_tls(),
            None => guard,
        }
    }

    fn rate_limiter(&self) -> Option<RateLimiter> {
        let rate = &self.config.rate_limit;
        rate.enabled
            .then(|| RateLimiter::new(rate.burst, rate.refill_per_second))
    }
}

fn bind(listen: SocketAddr) -> anyhow::Result<tokio::net::TcpListener> {
    listener::bind(listen).with_context(|| {
        format!(
            "cannot listen on {listen}; if another process has the port, try --listen {}:0",
            listen.ip()
        )
    })
}

/// Unmatched paths and methods alike, as in the reference: 404 without a body.
async fn nothing_here(request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    crate::body::discard(&head.headers, body).await;
    empty(StatusCode::NOT_FOUND)
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
pub(crate) fn answer_panic(panic: Box<dyn std::any::Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text")
        .to_owned();
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the node failed on this request",
    )
    .because(anyhow::anyhow!("a handler panicked: {text}"))
    .into_response()
}

fn scheme(tls: Option<&Tls>) -> &'static str {
    match tls {
        Some(_) => "https",
        None => "http",
    }
}

/// A line on stdout, which scripts wait for: `listening on http://…` when the node is ready, then
/// `admin on …` and `metrics on …` where there are such listeners.
fn announce(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
