//! Where answers come from: the running kernel, or a record.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::thread;

use crate::probe::verdict::missing_right;
use crate::{Answer, Capability, Feature, Release};

/// How many questions a thread takes at a time.
const PORTION: usize = 32;

/// The source of all answers about a kernel.
///
/// [`Probes::live`] asks the running kernel and keeps each yes and no for the life of the process. To see what a loader
/// would do on another kernel, take [`Probes::as_of`], [`Probes::without`] or [`Probes::recorded`] instead.
///
/// Safe to use from many threads: two may ask for the same thing at once and find the same. Probes leave nothing behind.
///
/// ```
/// use bpfld_features::{Feature, Probes, Release};
///
/// let old = Probes::as_of(Release::new(4, 19));
/// assert!(old.probe(Feature::PerfLink).is_no());
/// println!("links to perf events here and now: {}", Probes::live().probe(Feature::PerfLink));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Probes {
    source: Source,
}

#[derive(Clone, Debug, Default)]
enum Source {
    /// The running kernel.
    #[default]
    Live,
    /// The running kernel, but nothing that came later.
    AsOf(Release),
    /// The running kernel, but these.
    Without(Arc<[Feature]>),
    /// Answers of another time.
    Recorded(Arc<HashMap<Feature, Answer>>),
}

impl Probes {
    /// Answers of the running kernel.
    pub fn live() -> Probes {
        Probes { source: Source::Live }
    }

    /// The running kernel without all that came after a release.
    pub fn as_of(release: Release) -> Probes {
        Probes {
            source: Source::AsOf(release),
        }
    }

    /// The running kernel without some features.
    pub fn without(features: &[Feature]) -> Probes {
        Probes {
            source: Source::Without(features.into()),
        }
    }

    /// Answers that were found earlier or elsewhere; what is not among them is unknown.
    pub fn recorded(answers: impl IntoIterator<Item = (Feature, Answer)>) -> Probes {
        Probes {
            source: Source::Recorded(Arc::new(answers.into_iter().collect())),
        }
    }

    /// Whether answers are those of the running kernel.
    pub fn is_live(&self) -> bool {
        matches!(self.source, Source::Live)
    }

    /// Whether a kernel surely has a feature.
    pub fn has(&self, feature: Feature) -> bool {
        self.probe(feature).is_yes()
    }

    /// Find out about many features, on as many threads as the machine has processors; answers in the order of the questions.
    pub fn probe_all(&self, features: &[Feature]) -> Vec<Answer> {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let next = AtomicUsize::new(0);
        let work = || {
            let (mut found, rights) = (Vec::new(), Rights::default());
            loop {
                let start = next.fetch_add(PORTION, Ordering::Relaxed);
                let Some(rest) = features.get(start..).filter(|rest| !rest.is_empty()) else {
                    return found;
                };
                let portion = rest.iter().take(PORTION).enumerate();
                found.extend(portion.map(|(at, feature)| (start + at, self.answer(*feature, &rights))));
            }
        };
        let mut answers: Vec<(usize, Answer)> = thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut answers = work();
            for other in others {
                match other.join() {
                    Ok(found) => answers.extend(found),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            answers
        });
        answers.sort_by_key(|(at, _)| *at);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Find out about a feature.
    pub fn probe(&self, feature: Feature) -> Answer {
        self.answer(feature, &Rights::default())
    }

    fn answer(&self, feature: Feature, rights: &Rights) -> Answer {
        match &self.source {
            Source::Live => live(feature, rights),
            Source::AsOf(release) => match feature.since() {
                Some(since) if since > *release => {
                    Answer::no(format!("simulated: since {since}, asked as of {release}"))
                }
                _ => live(feature, rights),
            },
            Source::Without(features) if features.contains(&feature) => Answer::no("simulated: left out"),
            Source::Without(_) => live(feature, rights),
            Source::Recorded(answers) => answers
                .get(&feature)
                .cloned()
                .unwrap_or_else(|| Answer::unknown("not in the record")),
        }
    }
}

/// Ask the running kernel, unless it said yes or no before.
fn live(feature: Feature, rights: &Rights) -> Answer {
    static CACHE: LazyLock<RwLock<HashMap<Feature, Answer>>> = LazyLock::new(RwLock::default);
    // a panic elsewhere leaves the table whole: it only ever gets complete entries
    if let Some(answer) = CACHE.read().unwrap_or_else(PoisonError::into_inner).get(&feature) {
        return answer.clone();
    }
    let answer = rights.sure(feature.ask());
    if !matches!(answer, Answer::Unknown(_)) {
        CACHE
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(feature, answer.clone());
    }
    answer
}

/// What this thread lacks, looked up once for a number of questions.
#[derive(Default)]
struct Rights {
    missing: OnceCell<Option<Cow<'static, str>>>,
}

impl Rights {
    /// Kernels say no to those that lack rights in many ways: it counts only where the process has the least right.
    fn sure(&self, answer: Answer) -> Answer {
        let Answer::No(mut evidence) = answer else {
            return answer;
        };
        match self.missing.get_or_init(|| missing_right(&[Capability::BPF])) {
            Some(missing) => {
                evidence.how = format!("{}; {missing} to be sure", evidence.how).into();
                Answer::Unknown(evidence)
            }
            None => Answer::No(evidence),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use bpfld_sys::{Errno, MapType};

    use super::*;
    use crate::Evidence;

    #[test]
    fn an_older_kernel_lacks_what_came_later() {
        let old = Probes::as_of(Release::new(5, 4));
        assert!(old.probe(Feature::PerfLink).is_no());
        assert!(old.probe(Feature::MapType(MapType::RINGBUF)).is_no());
        assert_eq!(old.probe(Feature::Btf), Probes::live().probe(Feature::Btf));
        assert!(!old.is_live() && Probes::live().is_live());
    }

    #[test]
    fn features_can_be_left_out() {
        let probes = Probes::without(&[Feature::Btf, Feature::MapType(MapType::HASH)]);
        assert!(probes.probe(Feature::Btf).is_no());
        assert!(probes.probe(Feature::MapType(MapType::HASH)).is_no());
        assert_eq!(probes.probe(Feature::Names), Probes::live().probe(Feature::Names));
    }

    #[test]
    fn a_record_answers_for_what_is_in_it() {
        let no = Answer::No(Evidence {
            errno: Some(Errno::EINVAL),
            how: "tried".into(),
        });
        let probes = Probes::recorded([(Feature::Btf, Answer::Yes), (Feature::Names, no.clone())]);
        assert!(probes.has(Feature::Btf));
        assert_eq!(probes.probe(Feature::Names), no);
        assert_eq!(no.to_string(), "no (EINVAL: tried)");
        assert_eq!(probes.probe(Feature::Link).word(), "unknown");
    }

    #[test]
    fn many_threads_find_the_same() {
        crate::raise_memlock_for_tests();
        let ask = || {
            Feature::PLAIN
                .iter()
                .map(|feature| Probes::live().probe(*feature).word())
                .collect::<Vec<_>>()
        };
        let answers: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
}
