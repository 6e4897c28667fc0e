// Checks a ServiceMonitor against the schema that the Prometheus operator publishes.
//
//   node service_monitor.cjs NODE_MODULES JSON
const [modules, text] = process.argv.slice(2);
const { ServiceMonitor } = require(
  `${modules}/@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor`,
);
new ServiceMonitor(JSON.parse(text)).validate();
