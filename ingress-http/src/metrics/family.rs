//! Families of samples, written one after the other.
//!
//! `prometheus-client` writes the text; this hands it samples that were counted elsewhere, in as few words as possible. A
//! family without samples is declared all the same, so that whoever looks for its name finds what it means.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabel, EncodeLabelSet, LabelSetEncoder,
    MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

pub(super) struct Families<'a>(DescriptorEncoder<'a>);

/// The labels of one sample, by name.
struct Labels<'a, const N: usize> {
    names: [&'static str; N],
    values: [&'a str; N],
}

impl<const N: usize> EncodeLabelSet for Labels<'_, N> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.names.iter().zip(&self.values).try_for_each(|label| {
            let (name, value) = label;
            (*name, *value).encode(encoder.encode_label())
        })
    }
}

/// A histogram as it was read: how often, up to each bound; the last bound is infinite. Counts are those of one bucket.
#[derive(Debug)]
pub(super) struct Distribution {
    pub(super) sum: f64,
    pub(super) buckets: Vec<(f64, u64)>,
}

/// What a family is called and means. The unit, and the `_total` of counters, are appended to the name.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) name: &'a str,
    pub(super) help: &'a str,
    pub(super) unit: Option<&'a Unit>,
}

/// A family without a unit.
pub(super) fn about<'a>(name: &'a str, help: &'a str) -> About<'a> {
    About { name, help, unit: None }
}

impl<'a> About<'a> {
    pub(super) fn seconds(self) -> Self {
        Self { unit: Some(&Unit::Seconds), ..self }
    }

    pub(super) fn bytes(self) -> Self {
        Self { unit: Some(&Unit::Bytes), ..self }
    }
}

impl<'a> Families<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// Counters, by the values of these labels.
    pub(super) fn counters<'s, const N: usize, V: EncodeCounterValue>(
        &mut self,
        about: About<'_>,
        names: [&'static str; N],
        samples: impl IntoIterator<Item = ([&'s str; N], V)>,
    ) -> fmt::Result {
        self.family(about, MetricType::Counter, names, samples, |mut encoder, value| {
            encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    /// Gauges, by the values of these labels.
    pub(super) fn gauges<'s, const N: usize, V: EncodeGaugeValue>(
        &mut self,
        about: About<'_>,
        names: [&'static str; N],
        samples: impl IntoIterator<Item = ([&'s str; N], V)>,
    ) -> fmt::Result {
        self.family(about, MetricType::Gauge, names, samples, |mut encoder, value| {
            encoder.encode_gauge(&value)
        })
    }

    /// Histograms, by the values of these labels.
    pub(super) fn histograms<'s, const N: usize>(
        &mut self,
        about: About<'_>,
        names: [&'static str; N],
        samples: impl IntoIterator<Item = ([&'s str; N], Distribution)>,
    ) -> fmt::Result {
        self.family(
            about,
            MetricType::Histogram,
            names,
            samples,
            |mut encoder, Distribution { sum, buckets }| {
                let count = buckets.iter().map(|(_, count)| count).sum();
                encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
            },
        )
    }

    /// Something whose only value is its labels.
    pub(super) fn info<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        names: [&'static str; N],
        values: [&str; N],
    ) -> fmt::Result {
        self.infos(name, help, names, [values])
    }

    /// The same of several things.
    pub(super) fn infos<'s, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        names: [&'static str; N],
        each: impl IntoIterator<Item = [&'s str; N]>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Info)?;
        each.into_iter().try_for_each(|values| encoder.encode_info(&Labels { names, values }))
    }

    fn family<'s, const N: usize, V>(
        &mut self,
        About { name, help, unit }: About<'_>,
        of: MetricType,
        names: [&'static str; N],
        samples: impl IntoIterator<Item = ([&'s str; N], V)>,
        write: impl Fn(MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, unit, of)?;
        for (values, value) in samples {
            if N == 0 {
                return write(encoder, value);
            }
            write(encoder.encode_family(&Labels { names, values })?, value)?;
        }
        Ok(())
    }
}
