//! Figures that are read when somebody asks for them: from a store, a queue, the system.

use prometheus::core::{Collector, Desc};
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

/// A family of figures: one name, one meaning.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The name, with its unit at the end.
    pub name: &'static str,
    /// What it means, one sentence.
    pub help: &'static str,
    /// Whether it only grows.
    pub kind: Kind,
    /// The labels of each of its samples, in order.
    pub labels: &'static [&'static str],
}

/// What kind of figure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only grows, from 0 at the start of the process.
    Counter,
    /// How often something was how large.
    Histogram,
}

/// Takes the samples of one asking.
#[derive(Debug)]
pub struct Samples {
    families: &'static [Family],
    common: Option<(&'static str, &'static str)>,
    values: Vec<Vec<Metric>>,
}

/// A collector of `families`; `read` is called each time that somebody asks and gives the samples
/// that there are now. It may block.
///
/// # Errors
/// When a family's name or labels are not allowed.
pub fn sampled(
    families: &'static [Family],
    read: impl Fn(&mut Samples) + Send + Sync + 'static,
) -> prometheus::Result<Box<dyn Collector>> {
    sampled_of(families, None, read)
}

/// As [`sampled`], with a label that all samples have.
pub(super) fn sampled_of(
    families: &'static [Family],
    common: Option<(&'static str, &'static str)>,
    read: impl Fn(&mut Samples) + Send + Sync + 'static,
) -> prometheus::Result<Box<dyn Collector>> {
    let describe = |family: &Family| {
        let labels = family.labels.iter().map(|it| (*it).to_owned()).collect();
        let common = common.iter();
        let common = common.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (name, help) = (family.name.to_owned(), family.help.to_owned());
        Desc::new(name, help, labels, common.collect())
    };
    let descriptions = families.iter().map(describe).collect::<Result<_, _>>()?;
    Ok(Box::new(Sampled {
        families,
        common,
        descriptions,
        read: Box::new(read),
    }))
}

struct Sampled {
    families: &'static [Family],
    common: Option<(&'static str, &'static str)>,
    descriptions: Vec<Desc>,
    read: Box<dyn Fn(&mut Samples) + Send + Sync>,
}

impl Samples {
    /// One sample of the family called `name`; `labels` are the values in the family's order. What
    /// the family does not have is left out.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the text format knows only such numbers; 2^53 bytes are far away"
    )]
    pub fn set(&mut self, name: &str, labels: &[&str], value: u64) {
        self.set_fraction(name, labels, value as f64);
    }

    /// As [`Samples::set`], for what is no whole number.
    pub fn set_fraction(&mut self, name: &str, labels: &[&str], value: f64) {
        self.add(name, labels, |kind, metric| match kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            Kind::Gauge | Kind::Histogram => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
        });
    }

    /// As [`Samples::set`], for a histogram: upper bounds in rising order, the last one infinite,
    /// each with how many were at most that large; and the sum of all.
    pub fn set_histogram(&mut self, name: &str, labels: &[&str], buckets: &[(f64, u64)], sum: f64) {
        self.add(name, labels, |_, metric| {
            let mut histogram = Histogram::default();
            let bucket = |(bound, count): &(f64, u64)| {
                let mut bucket = Bucket::default();
                bucket.set_upper_bound(*bound);
                bucket.set_cumulative_count(*count);
                bucket
            };
            // The text format adds the last one by itself.
            let finite = buckets.iter().filter(|(bound, _)| bound.is_finite());
            histogram.set_bucket(finite.map(bucket).collect());
            histogram.set_sample_count(buckets.last().map_or(0, |(_, count)| *count));
            histogram.set_sample_sum(sum);
            metric.set_histogram(histogram);
        });
    }

    fn add(&mut self, name: &str, labels: &[&str], fill: impl FnOnce(Kind, &mut Metric)) {
        let place = self.families.iter().position(|family| family.name == name);
        let found =
            place.and_then(|place| Some((self.families.get(place)?, self.values.get_mut(place)?)));
        let Some((family, values)) = found else {
            debug_assert!(false, "{name} is in no family");
            return;
        };
        debug_assert_eq!(family.labels.len(), labels.len(), "{name}");
        let own = family.labels.iter().copied().zip(labels.iter().copied());
        let pairs = self.common.into_iter().chain(own).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.to_owned());
            pair.set_value(value.to_owned());
            pair
        });
        let mut metric = Metric::from_label(pairs.collect());
        fill(family.kind, &mut metric);
        values.push(metric);
    }
}

impl Collector for Sampled {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut samples = Samples {
            families: self.families,
            common: self.common,
            values: vec![Vec::new(); self.families.len()],
        };
        (self.read)(&mut samples);
        let with_values = self.families.iter().zip(samples.values);
        let written = with_values.filter(|(_, values)| !values.is_empty());
        written
            .map(|(family, values)| {
                let mut written = MetricFamily::default();
                written.set_name(family.name.to_owned());
                written.set_help(family.help.to_owned());
                written.set_field_type(match family.kind {
                    Kind::Gauge => MetricType::GAUGE,
                    Kind::Counter => MetricType::COUNTER,
                    Kind::Histogram => MetricType::HISTOGRAM,
                });
                written.set_metric(values);
                written
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Encoder, Registry, TextEncoder};

    use super::*;

    const FAMILIES: &[Family] = &[
        Family {
            name: "kiln_test_bytes",
            help: "Bytes.",
            kind: Kind::Gauge,
            labels: &["domain"],
        },
        Family {
            name: "kiln_test_seconds",
            help: "Times.",
            kind: Kind::Histogram,
            labels: &[],
        },
        Family {
            name: "kiln_test_total",
            help: "Never sampled.",
            kind: Kind::Counter,
            labels: &[],
        },
    ];

    #[test]
    fn what_is_read_is_written_and_what_is_not_is_left_out() {
        let registry = Registry::new();
        let collector = sampled(FAMILIES, |samples| {
            samples.set("kiln_test_bytes", &["a\"b"], 7);
            let times = [(0.5, 1), (1.0, 3), (f64::INFINITY, 4)];
            samples.set_histogram("kiln_test_seconds", &[], &times, 9.5);
        });
        registry.register(collector.unwrap()).unwrap();
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&registry.gather(), &mut text)
            .unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "# HELP kiln_test_bytes Bytes.\n\
             # TYPE kiln_test_bytes gauge\n\
             kiln_test_bytes{domain=\"a\\\"b\"} 7\n\
             # HELP kiln_test_seconds Times.\n\
             # TYPE kiln_test_seconds histogram\n\
             kiln_test_seconds_bucket{le=\"0.5\"} 1\n\
             kiln_test_seconds_bucket{le=\"1\"} 3\n\
             kiln_test_seconds_bucket{le=\"+Inf\"} 4\n\
             kiln_test_seconds_sum 9.5\n\
             kiln_test_seconds_count 4\n"
        );
    }
}
