//! How well clusters that were found without labels agree with classes that are known.

use std::collections::BTreeMap;

use etude_autograd::Tensor;
use etude_nn::ConfigError;

use super::code::{entropy, ranks};
use crate::error::Error;

/// How often each cluster and each class came together. Its memory grows with the number of images, not with clusters times
/// classes.
struct Table {
    /// Clusters, in the order of their numbers, and classes.
    names: [Vec<i64>; 2],
    /// Of each cluster and class, as places among the names, that came together.
    counts: BTreeMap<(usize, usize), usize>,
}

impl Table {
    fn new(what: &'static str, clusters: &Tensor<i64>, classes: &Tensor<i64>) -> Result<Self, Error> {
        let fits = clusters.rank() == 1 && !clusters.is_empty() && clusters.shape() == classes.shape();
        let found = format!("{:?} and classes {:?}", clusters.shape(), classes.shape());
        ConfigError::check(fits, what, "clusters", found, "[n] both, n at least 1")?;
        let sides = [clusters, classes].map(|x| ranks(&x.to_vec()));
        let names = [clusters, classes].map(|x| {
            let mut names = x.to_vec();
            names.sort_unstable();
            names.dedup();
            names
        });
        let mut counts = BTreeMap::new();
        sides[0].iter().zip(&sides[1]).for_each(|(&cluster, &class)| *counts.entry((cluster, class)).or_default() += 1);
        Ok(Table { names, counts })
    }

    fn clusters(&self) -> Vec<usize> {
        let mut sums = vec![0; self.names[0].len()];
        self.counts.iter().for_each(|(&(cluster, _), count)| sums[cluster] += count);
        sums
    }

    fn classes(&self) -> Vec<usize> {
        let mut sums = vec![0; self.names[1].len()];
        self.counts.iter().for_each(|(&(_, class), count)| sums[class] += count);
        sums
    }

    fn all(&self) -> Vec<usize> {
        self.counts.values().copied().collect()
    }
}

/// What [`match_clusters`] finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Matching {
    /// The share of images whose cluster stands for their class.
    pub accuracy: f64,
    /// Each cluster that has an image, with the class that it stands for: none where there are more clusters than classes.
    pub class_of: Vec<(i64, Option<i64>)>,
}

/// The best way to let every cluster stand for a class of its own, and the accuracy of that. The numbers of clusters and
/// classes, `[n]` both, are names alone.
///
/// Yang et al. 2010, *Image Clustering Using Local Discriminant Models and Global Integration*, eq. (34), the figure of most
/// papers on clustering with networks; the best matching is that of Kuhn 1955. Its time is at most m³, where m is the larger of
/// the numbers of clusters and classes: thousands of them are many.
///
/// # Errors
/// If there is no image, or the numbers differ.
pub fn match_clusters(clusters: &Tensor<i64>, classes: &Tensor<i64>) -> Result<Matching, Error> {
    let table = Table::new("match_clusters", clusters, classes)?;
    let matched = assignment(&table.counts, table.names.each_ref().map(Vec::len));
    let together = matched.iter().enumerate().filter_map(|(cluster, class)| table.counts.get(&(cluster, (*class)?)));
    let right: usize = together.sum();
    let class_of = table.names[0].iter().zip(&matched).map(|(&name, m)| (name, m.map(|class| table.names[1][class])));
    Ok(Matching { accuracy: right as f64 / clusters.len() as f64, class_of: class_of.collect() })
}

/// The mutual information of clusters and classes, `[n]` both, as a share of the mean of their entropies: 1 if each tells the
/// other, 0 if neither says anything of the other. 1 as well if there is one cluster and one class.
///
/// Vinh, Epps & Bailey 2010, *Information Theoretic Measures for Clusterings Comparison*, table 2 (NMI_sum).
///
/// # Errors
/// As [`match_clusters`].
pub fn normalised_mutual_information(clusters: &Tensor<i64>, classes: &Tensor<i64>) -> Result<f64, Error> {
    let table = Table::new("normalised_mutual_information", clusters, classes)?;
    let [a, b, both] = [table.clusters(), table.classes(), table.all()].map(|counts| entropy(counts.into_iter()));
    // Rounding must not make a share negative, or more than all.
    Ok(if a + b == 0.0 { 1.0 } else { (2.0 * (a + b - both) / (a + b)).clamp(0.0, 1.0) })
}

/// The share of pairs of images on which clusters and classes, `[n]` both, agree, rescaled so that 0 is what chance gives and 1
/// is perfect. 1 as well where no pair can differ: one image, one cluster and one class, or each image a cluster and a class.
///
/// Hubert & Arabie 1985, *Comparing Partitions*, eq. (5).
///
/// # Errors
/// As [`match_clusters`].
pub fn adjusted_rand_index(clusters: &Tensor<i64>, classes: &Tensor<i64>) -> Result<f64, Error> {
    let table = Table::new("adjusted_rand_index", clusters, classes)?;
    let pairs = |n: usize| n as f64 * (n as f64 - 1.0) / 2.0;
    let [a, b, both] =
        [table.clusters(), table.classes(), table.all()].map(|counts| counts.into_iter().map(pairs).sum::<f64>());
    let (most, all) = ((a + b) / 2.0, pairs(clusters.len()));
    let chance = if all > 0.0 { a * b / all } else { 0.0 };
    Ok(if most == chance { 1.0 } else { (both - chance) / (most - chance) })
}

/// For each row the column that it is given, no column twice and as many as there can be, so that the sum of the counts is the
/// largest: Kuhn 1955 by shortest augmenting paths (Jonker & Volgenant 1987), in a square, of time max(rows, columns)³. Where
/// there is no count it is 0.
fn assignment(counts: &BTreeMap<(usize, usize), usize>, [rows, columns]: [usize; 2]) -> Vec<Option<usize>> {
    let n = rows.max(columns);
    // Costs of a row of the square; what is not there costs nothing.
    let mut costs = vec![0; n];
    // Prices of rows and columns, and whose each column is; the column n is where a new row starts.
    let (mut row_price, mut column_price) = (vec![0; n], vec![0; n + 1]);
    let mut owner: Vec<Option<usize>> = vec![None; n + 1];
    for row in 0..n {
        owner[n] = Some(row);
        let mut at = n;
        let (mut least, mut from, mut seen) = (vec![i64::MAX; n], vec![n; n], vec![false; n + 1]);
        while let Some(row) = owner[at] {
            seen[at] = true;
            costs.fill(0);
            counts.range((row, 0)..(row + 1, 0)).for_each(|(&(_, column), &count)| costs[column] = -(count as i64));
            for column in (0..n).filter(|&c| !seen[c]) {
                let extra = costs[column] - row_price[row] - column_price[column];
                if extra < least[column] {
                    (least[column], from[column]) = (extra, at);
                }
            }
            let next =
                (0..n).filter(|&c| !seen[c]).min_by_key(|&c| least[c]).expect("a row less than columns is placed");
            let step = least[next];
            for column in 0..=n {
                match owner[column] {
                    Some(owner) if seen[column] => {
                        row_price[owner] += step;
                        column_price[column] -= step;
                    }
                    _ if column < n => least[column] = least[column].saturating_sub(step),
                    _ => (),
                }
            }
            at = next;
        }
        while at != n {
            owner[at] = owner[from[at]];
            at = from[at];
        }
    }
    let mut matched = vec![None; rows];
    for (column, owner) in owner[..n].iter().enumerate() {
        if let Some(row) = owner.filter(|&row| row < rows && column < columns) {
            matched[row] = Some(column);
        }
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::*;
    use etude_kernels::rng::Rng;

    fn ids(values: impl IntoIterator<Item = i64>) -> Tensor<i64> {
        let values: Vec<i64> = values.into_iter().collect();
        let n = values.len();
        Tensor::from_vec(values, [n])
    }

    /// The most that any order of the columns gives, by trying all.
    fn most(counts: &[Vec<usize>], row: usize, used: &mut Vec<bool>) -> usize {
        if row == counts.len() {
            return 0;
        }
        // A row may stay without a column, where there are fewer of them.
        let mut best = most(counts, row + 1, used);
        for column in 0..used.len() {
            if !used[column] {
                used[column] = true;
                best = best.max(counts[row][column] + most(counts, row + 1, used));
                used[column] = false;
            }
        }
        best
    }

    #[test]
    fn no_other_matching_is_better() {
        let mut rng = Rng::new(0);
        for (rows, columns) in [(1, 1), (2, 2), (3, 5), (5, 3), (6, 6), (6, 6), (1, 4), (4, 1)] {
            for _ in 0..20 {
                let counts: Vec<Vec<usize>> = (0..rows).map(|_| (0..columns).map(|_| rng.below(9)).collect()).collect();
                let each =
                    counts.iter().enumerate().flat_map(|(i, r)| r.iter().enumerate().map(move |(j, c)| ((i, j), *c)));
                let found = assignment(&each.filter(|&(_, count)| count > 0).collect(), [rows, columns]);
                let mut columns_used: Vec<usize> = found.iter().flatten().copied().collect();
                assert_eq!(columns_used.len(), rows.min(columns), "{counts:?}");
                columns_used.sort_unstable();
                columns_used.dedup();
                assert_eq!(columns_used.len(), rows.min(columns), "a column twice: {found:?}");
                let sum: usize = found.iter().zip(&counts).filter_map(|(c, row)| c.map(|c| row[c])).sum();
                assert_eq!(sum, most(&counts, 0, &mut vec![false; columns]), "{counts:?}");
            }
        }
    }

    #[test]
    fn the_measures_are_those_of_scikit_learn() {
        // scikit-learn 1.9, normalized_mutual_info_score and adjusted_rand_score; scipy, linear_sum_assignment.
        let class = |i: i64| (i * 7 + i * i / 5) % 4;
        let classes = ids((0..40).map(class));
        let blind = ids((0..40).map(|i| (i * 7 + i * i / 5 + i64::from(i % 3 == 0) * (i / 4)) % 5));
        let good = ids((0..40).map(|i| if i % 3 > 0 { (class(i) * 3 + 1) % 5 } else { i % 5 }));
        for (clusters, right, information, rand) in [
            (&blind, 13.0, 0.058_556_094_697_859_21, -0.045_079_630_544_680_525),
            (&good, 28.0, 0.508_690_006_073_744_3, 0.411_565_010_750_254_6),
        ] {
            let matching = match_clusters(clusters, &classes).expect("fits");
            assert!((matching.accuracy - right / 40.0).abs() < 1e-12, "{matching:?}");
            let found = normalised_mutual_information(clusters, &classes).expect("fits");
            assert!((found - information).abs() < 1e-12, "{found}");
            let found = adjusted_rand_index(clusters, &classes).expect("fits");
            assert!((found - rand).abs() < 1e-12, "{found}");
        }
    }

    #[test]
    fn names_mean_nothing_and_a_perfect_clustering_is_one() {
        let classes = ids((0..30).map(|i| i % 3));
        let clusters = ids((0..30).map(|i| [7, i64::MIN, -2][(i % 3) as usize]));
        let matching = match_clusters(&clusters, &classes).expect("fits");
        assert_eq!(
            matching,
            Matching { accuracy: 1.0, class_of: vec![(i64::MIN, Some(1)), (-2, Some(2)), (7, Some(0))] }
        );
        for measure in [normalised_mutual_information, adjusted_rand_index] {
            assert!((measure(&clusters, &classes).expect("fits") - 1.0).abs() < 1e-12);
            assert_eq!(measure(&ids([5]), &ids([3])).expect("fits"), 1.0);
            assert_eq!(measure(&ids([5; 4]), &ids([3, 3, 4, 4])).expect("fits"), 0.0);
            assert!(measure(&ids([]), &ids([])).is_err() && measure(&ids([1]), &ids([1, 2])).is_err());
        }
        let more = match_clusters(&ids([0, 1, 2, 2]), &ids([0, 0, 0, 0])).expect("fits");
        assert_eq!(more, Matching { accuracy: 0.5, class_of: vec![(0, None), (1, None), (2, Some(0))] });
    }

    #[test]
    fn a_cluster_for_each_of_many_images_needs_no_table_of_all_pairs() {
        let n = 100_000;
        let (clusters, classes) = (ids((0..n).rev()), ids(0..n));
        for measure in [normalised_mutual_information, adjusted_rand_index] {
            assert_eq!(measure(&clusters, &classes).expect("fits"), 1.0);
            assert!(measure(&clusters, &ids((0..n).map(|i| i % 2))).expect("fits") < 0.2);
        }
        // Its time is another matter: a thousand are enough here.
        let (clusters, classes) = (ids((0..1000).rev()), ids(0..1000));
        assert_eq!(match_clusters(&clusters, &classes).expect("fits").accuracy, 1.0);
    }

    #[test]
    fn rounding_makes_no_share_negative_or_more_than_all() {
        for (classes, size) in (2..12).flat_map(|classes| (1..12).map(move |size| (classes, size))) {
            // Classes of different sizes, and the same under other names: their entropies are added up in another order.
            let each: Vec<i64> = (0..classes).flat_map(|c| (0..c + size).map(move |_| c)).collect();
            let same = ids(each.iter().map(|c| (c * 7 + 3) % 13));
            let found = normalised_mutual_information(&same, &ids(each.clone())).expect("fits");
            assert!((1.0 - 1e-12..=1.0).contains(&found), "{classes} of {size} and more: {found}");
            // Every class with every cluster as often: neither says anything.
            let (a, b) = (0..classes * size).map(|i| (i / size, i % size)).unzip::<_, _, Vec<_>, Vec<_>>();
            let found = normalised_mutual_information(&ids(a), &ids(b)).expect("fits");
            assert!((0.0..1e-12).contains(&found), "{classes} by {size}: {found}");
        }
    }
}
