//! The memory log does what every log does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::MemoryLog;
use crate::event::{Epoch, Millis};
use crate::live::Live;
use crate::log::clock::Clock;
use crate::log::conformance::{Kind, Precision, Survival, conformance};
use crate::log::{HistorySettings, Log};

struct Memory {
    settings: HistorySettings,
    epoch: AtomicU64,
}

impl Kind for Memory {
    const PRECISION: Precision = Precision::Exact;
    const SURVIVAL: Survival = Survival::Nothing;

    fn new(settings: HistorySettings) -> Self {
        Self { settings, epoch: AtomicU64::new(1) }
    }

    async fn open(&self) -> Arc<dyn Log> {
        let epoch = Epoch::new(self.epoch.fetch_add(1, Ordering::Relaxed));
        Arc::new(MemoryLog::new(Live::fixed(self.settings.clone()), Clock::system(), epoch))
    }

    fn now(&self) -> Millis {
        Clock::system().now()
    }
}

conformance!(Memory, #[tokio::test(flavor = "multi_thread", worker_threads = 4)]);
