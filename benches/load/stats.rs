//! Percentiles: a histogram where there are millions of samples, the exact median where there are few.

/// Sub-buckets per power of two: a percentile is at most 1/64 too high.
const FINE_BITS: u32 = 6;
const FINE: usize = 1 << FINE_BITS;

/// Microseconds, log-linear.
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub fn new() -> Histogram {
        Histogram { counts: vec![0; FINE * 34], total: 0 }
    }

    pub fn record(&mut self, micros: u32) {
        self.counts[bucket(micros)] += 1;
        self.total += 1;
    }

    /// The upper edge of the bucket that holds the quantile; `None` without samples.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let wanted = ((self.total as f64 * q).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Some(edge(index));
            }
        }
        None
    }
}

fn bucket(micros: u32) -> usize {
    let exponent = (micros | 1).ilog2();
    if exponent < FINE_BITS {
        return micros as usize;
    }
    let shift = exponent - FINE_BITS;
    (shift as usize + 1) * FINE + ((micros >> shift) as usize - FINE)
}

fn edge(index: usize) -> f64 {
    if index < FINE {
        return index as f64;
    }
    let (shift, fine) = (index / FINE - 1, index % FINE);
    ((FINE + fine + 1) as f64) * 2f64.powi(shift as i32) - 1.0
}

/// The middle of the values; of an even count the lower one, so that it is always a value that was measured.
pub fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    Some(values[(values.len() - 1) / 2])
}
