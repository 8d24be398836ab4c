//! How often verdicts are wrong, and how many trials they take: trials are drawn with known shares, by a generator with
//! a fixed seed. Bounds would hold for 999,999 seeds in a million if the stated error were the true one.

use std::collections::HashMap;

use super::super::pair::{Pair, adjusted};
use super::super::{Evidence, Options, Verdict};
use crate::stats::{Clusters, MOST_ICC, Proportion, next_hit};

const SEQUENTIAL: Options = Options { alpha: 0.05, margin: 0.10, evidence: Evidence::Sequential };

/// Shares from never to always.
const SHARES: [f64; 6] = [0.0, 0.05, 0.3, 0.5, 0.95, 1.0];

/// Counts of one pair that grows by a trial a side.
#[derive(Clone, Copy, Default)]
struct Growing {
    base: u32,
    candidate: u32,
    n: u32,
}

impl Growing {
    fn grow(&mut self, rng: &mut fastrand::Rng, [base, candidate]: [f64; 2]) {
        self.n += 1;
        self.base += u32::from(rng.f64() < base);
        self.candidate += u32::from(rng.f64() < candidate);
    }

    fn pair(self) -> Pair {
        let of = |hits| Proportion::new(hits, self.n).unwrap().into();
        Pair { base: of(self.base), candidate: of(self.candidate) }
    }
}

/// The verdict on one pair alone; most counts come up again and again.
#[derive(Default)]
struct Alone(HashMap<(u32, u32, u32), Verdict>);

impl Alone {
    fn verdict(&mut self, counts: Growing) -> Verdict {
        *self.0.entry((counts.base, counts.candidate, counts.n)).or_insert_with(|| {
            let pair = counts.pair();
            pair.verdict(pair.p_value(Evidence::Sequential), SEQUENTIAL)
        })
    }
}

const fn is_difference(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Regressed | Verdict::Improved)
}

/// Both sides alike, a look after every trial, and on even after a verdict: a difference is found in at most 5 % of the
/// runs.
#[test]
fn looking_after_every_trial_finds_no_difference_where_there_is_none() {
    for share in SHARES {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut alone = Alone::default();
        let wrong = (0..1000).filter(|_| {
            let mut counts = Growing::default();
            (0..300).any(|_| {
                counts.grow(&mut rng, [share, share]);
                is_difference(alone.verdict(counts))
            })
        });
        // scipy.stats.binom.isf(1e-6, 1000, 0.05)
        let wrong = wrong.count();
        assert!(wrong <= 86, "{wrong} of 1000 at {share}");
    }
}

/// That `same` is not said too often where the difference is just the margin.
#[test]
fn looking_after_every_trial_calls_nothing_the_same_that_is_not() {
    for shares in [[1.0, 0.9], [0.0, 0.1], [0.95, 0.85]] {
        let mut rng = fastrand::Rng::with_seed(2);
        let mut alone = Alone::default();
        let wrong = (0..1000).filter(|_| {
            let mut counts = Growing::default();
            (0..300).any(|_| {
                counts.grow(&mut rng, shares);
                alone.verdict(counts) == Verdict::Same
            })
        });
        let wrong = wrong.count();
        assert!(wrong <= 86, "{wrong} of 1000 at {shares:?}");
    }
}

/// A look after every trial: the interval of one share holds the true one at all of them in at least 95 % of the runs.
#[test]
fn a_confidence_sequence_holds_the_share_at_every_look() {
    for share in SHARES {
        let mut rng = fastrand::Rng::with_seed(8);
        let mut intervals = HashMap::new();
        let wrong = (0..1000).filter(|_| {
            let mut hits = 0;
            (1..=300).any(|n| {
                hits += u32::from(rng.f64() < share);
                let sequence = || Evidence::Sequential.share(&Proportion::new(hits, n).unwrap().into());
                let interval = intervals.entry((hits, n)).or_insert_with(sequence);
                share < interval.lo || interval.hi < share
            })
        });
        let wrong = wrong.count();
        assert!(wrong <= 86, "{wrong} of 1000 at {share}");
    }
}

/// The false discovery proportion of a family, stopped at the worst moment: the largest there was at any look.
fn worst_false_share(rng: &mut fastrand::Rng, shares: &[[f64; 2]], looks: u32) -> f64 {
    let mut family = vec![Growing::default(); shares.len()];
    let mut worst: f64 = 0.0;
    for _ in 0..looks {
        for (counts, shares) in family.iter_mut().zip(shares) {
            counts.grow(rng, *shares);
        }
        let pairs: Vec<Pair> = family.iter().map(|counts| counts.pair()).collect();
        let p_values = adjusted(&pairs, Evidence::Sequential);
        let (mut found, mut wrong) = (0_u32, 0_u32);
        for ((pair, p_value), [base, candidate]) in pairs.iter().zip(p_values).zip(shares) {
            if is_difference(pair.verdict(p_value.unwrap(), SEQUENTIAL)) {
                found += 1;
                wrong += u32::from((base - candidate).abs() < 1e-9);
            }
        }
        worst = worst.max(f64::from(wrong) / f64::from(found.max(1)));
    }
    worst
}

/// Thirty pairs, none or ten of them different. The expected share of false ones among those found is at most 5 %, here
/// even at each run's worst moment.
#[test]
fn a_family_of_thirty_holds_its_false_discovery_rate() {
    let none: Vec<_> = SHARES.iter().cycle().take(30).map(|&share| [share, share]).collect();
    let mut some = none.clone();
    some[..10].fill([1.0, 0.2]);
    for shares in [none, some] {
        let mut rng = fastrand::Rng::with_seed(3);
        let mean = (0..60).map(|_| worst_false_share(&mut rng, &shares, 60)).sum::<f64>() / 60.0;
        // Of 60 proportions, each between 0 and 1, with a mean of 0.05, the sum is largest if they are all or none:
        // scipy.stats.binom.isf(1e-6, 60, 0.05)
        assert!(mean <= 14.0 / 60.0, "{mean}");
    }
}

/// The verdicts on one pair that is stopped at its first verdict, over many runs.
struct Characteristics {
    runs: u32,
    regressed: u32,
    improved: u32,
    same: u32,
    trials: u64,
}

impl Characteristics {
    fn of(shares: [f64; 2], runs: u32, most: u32, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut alone = Alone::default();
        let mut all = Self { runs, regressed: 0, improved: 0, same: 0, trials: 0 };
        for _ in 0..runs {
            let mut counts = Growing::default();
            while counts.n < most {
                counts.grow(&mut rng, shares);
                match alone.verdict(counts) {
                    Verdict::Undecided => continue,
                    Verdict::Regressed => all.regressed += 1,
                    Verdict::Improved => all.improved += 1,
                    Verdict::Same => all.same += 1,
                }
                break;
            }
            all.trials += u64::from(counts.n);
        }
        all
    }

    fn share(&self, count: u32) -> f64 {
        f64::from(count) / f64::from(self.runs)
    }

    fn undecided(&self) -> u32 {
        self.runs - self.regressed - self.improved - self.same
    }

    #[allow(clippy::cast_precision_loss)]
    fn mean_trials(&self) -> f64 {
        self.trials as f64 / f64::from(self.runs)
    }
}

#[test]
fn all_or_none_takes_a_handful_and_all_on_both_sides_some_fifty() {
    let found = Characteristics::of([1.0, 0.0], 1, 500, 4);
    assert_eq!((found.regressed, found.trials), (1, 4));
    let found = Characteristics::of([1.0, 1.0], 1, 500, 4);
    assert_eq!((found.same, found.trials), (1, 52));
}

/// Power and means that are far from what the generator's luck could make of those in `docs/statistics.md`.
#[test]
fn differences_are_found() {
    for (shares, least_found, most_trials) in
        [([1.0, 0.9], 0.9, 150.0), ([0.95, 0.7], 0.9, 150.0), ([0.5, 0.3], 0.6, 400.0)]
    {
        let found = Characteristics::of(shares, 200, 500, 5);
        assert!(found.share(found.regressed) >= least_found, "{} of 200 at {shares:?}", found.regressed);
        assert!(found.mean_trials() <= most_trials, "{} trials at {shares:?}", found.mean_trials());
        assert!(found.improved <= 10);
    }
}

/// The table of `docs/statistics.md`.
#[test]
#[ignore = "prints a table"]
fn print_operating_characteristics() {
    for shares in [
        [1.0, 1.0],
        [1.0, 0.98],
        [1.0, 0.95],
        [1.0, 0.9],
        [1.0, 0.8],
        [1.0, 0.5],
        [1.0, 0.0],
        [0.95, 0.95],
        [0.95, 0.85],
        [0.95, 0.7],
        [0.5, 0.5],
        [0.5, 0.3],
        [0.5, 0.1],
    ] {
        let found = Characteristics::of(shares, 10_000, 500, 6);
        let percent = |count| 100.0 * found.share(count);
        println!(
            "| {:.2} | {:.2} | {:.1} | {:.1} | {:.1} | {:.1} | {:.0} |",
            shares[0],
            shares[1],
            percent(found.regressed),
            percent(found.improved),
            percent(found.same),
            percent(found.undecided()),
            found.mean_trials()
        );
    }
}

/// Twenty trials a side, one look, both sides alike in all of twelve cells: some difference is found in at most 5 % of
/// the runs. (Where all hypotheses are true, the false discovery rate is the probability of any rejection.)
#[test]
fn one_look_at_cells_without_a_difference_finds_none() {
    let mut tests: HashMap<(u32, u32), f64> = HashMap::new();
    for share in SHARES {
        let mut rng = fastrand::Rng::with_seed(7);
        let wrong = (0..1000).filter(|_| {
            let p_values: Vec<f64> = (0..12)
                .map(|_| {
                    let mut counts = Growing::default();
                    (0..20).for_each(|_| counts.grow(&mut rng, [share, share]));
                    let test = || counts.pair().p_value(Evidence::Fixed);
                    *tests.entry((counts.base, counts.candidate)).or_insert_with(test)
                })
                .collect();
            crate::stats::benjamini_hochberg(&p_values).iter().any(|&p_value| p_value < 0.05)
        });
        // scipy.stats.binom.isf(1e-6, 1000, 0.05)
        let wrong = wrong.count();
        assert!(wrong <= 86, "{wrong} of 1000 at {share}");
    }
}

/// The share of simulated pairs that are called different although both sides have the same share. Each pair is looked at
/// after each number of trials per side in `looks`; trials come in turn from `templates` templates on each side.
fn false_differences(evidence: Evidence, share: f64, icc: f64, templates: u32, looks: &[u32], runs: u32) -> f64 {
    let mut rng = fastrand::Rng::with_seed(9);
    let options = Options { evidence, ..SEQUENTIAL };
    let mut wrong = 0;
    for _ in 0..runs {
        let mut sides = [(); 2].map(|()| vec![Proportion::default(); templates as usize]);
        let mut n = 0;
        wrong += u32::from(looks.iter().any(|&look| {
            while n < look {
                for side in &mut sides {
                    let seen = &mut side[(n % templates) as usize];
                    let hit = rng.f64() < next_hit(share, icc, *seen);
                    *seen = seen.plus(Proportion::new(u32::from(hit), 1).unwrap());
                }
                n += 1;
            }
            let of = |side: &Vec<Proportion>| Clusters::new(Proportion::default(), side.iter().copied());
            let [base, candidate] = sides.each_ref().map(of);
            let pair = Pair { base, candidate };
            is_difference(pair.verdict(pair.p_value(evidence), options))
        }));
    }
    f64::from(wrong) / f64::from(runs)
}

/// With a correlation of up to the largest that the hypothesis allows, a look after every ten trials finds a difference
/// in at most 5 % of the runs, also where each side has one template.
#[test]
fn evidence_holds_although_templates_differ() {
    let looks = [10, 20, 40, 80];
    for (share, templates) in [(0.5, 1), (0.5, 4), (0.9, 2)] {
        let wrong = false_differences(Evidence::Sequential, share, MOST_ICC, templates, &looks, 200);
        // scipy.stats.binom.isf(1e-6, 200, 0.05)
        assert!(wrong <= 27.0 / 200.0, "{wrong} at {share}, {templates} templates");
    }
}

/// What it costs where templates are alike: all against none nothing, and `same` half as many trials again, from four
/// templates. The figures are those of `docs/statistics.md`.
#[test]
fn templates_have_their_price() {
    let verdict = |n: u32, templates: u32, saved: [bool; 2]| {
        let side = |saved: bool| {
            let of = |place| n / templates + u32::from(place < n % templates);
            let templates =
                (0..templates).map(|place| Proportion::new(u32::from(saved) * of(place), of(place)).unwrap());
            Clusters::new(Proportion::default(), templates)
        };
        let pair = Pair { base: side(saved[0]), candidate: side(saved[1]) };
        pair.verdict(pair.p_value(Evidence::Sequential), SEQUENTIAL)
    };
    for templates in [1, 2, 4] {
        assert_eq!(verdict(3, templates, [true, false]), Verdict::Undecided);
        assert_eq!(verdict(4, templates, [true, false]), Verdict::Regressed);
    }
    for (templates, enough) in [(8, 62), (4, 75), (2, 117)] {
        assert_eq!(verdict(enough, templates, [true; 2]), Verdict::Same, "{templates}");
        assert_eq!(verdict(enough - 1, templates, [true; 2]), Verdict::Undecided, "{templates}");
    }
    assert_eq!(verdict(300, 1, [true; 2]), Verdict::Undecided);
}

/// One look: with four templates or more a side some 5 % are called different, where uncorrected it would be many more.
#[test]
fn one_look_finds_few_differences_although_templates_differ() {
    for (share, icc, templates, n) in [(0.5, 0.0, 4, 20), (0.5, 0.05, 4, 20), (0.9, 0.05, 8, 50), (0.5, 0.1, 8, 50)] {
        let wrong = false_differences(Evidence::Fixed, share, icc, templates, &[n], 400);
        // scipy.stats.binom.isf(1e-6, 400, 0.05)
        assert!(wrong <= 44.0 / 400.0, "{wrong} at {share}, {icc}, {templates} templates of {n}");
    }
}

/// The table of `docs/statistics.md`.
#[test]
#[ignore = "prints a table"]
fn print_false_differences_of_templates() {
    let looks: Vec<u32> = (1..=10).map(|look| look * 20).collect();
    for share in [0.5, 0.9] {
        for templates in [1, 2, 4, 8] {
            let row = [0.0, 0.02, 0.05, 0.1, 0.3].map(|icc| {
                let fixed = [20, 50, 200].map(|n| {
                    format!("{:.1}", 100.0 * false_differences(Evidence::Fixed, share, icc, templates, &[n], 500))
                });
                let sequential = 100.0 * false_differences(Evidence::Sequential, share, icc, templates, &looks, 200);
                format!(" {}; {sequential:.1}", fixed.join(", "))
            });
            println!("| {share} | {templates} |{} |", row.join(" |"));
        }
    }
}
