//! Finds titles by their words, in an index that its initialisation builds: about 20 MB of memory before the first
//! request.
//!
//! `?words=baba+dedo` answers the titles that have all of these words (1 to 8):
//! `{"found":3,"first":[{"id":17,"title":"…"}]}`, with the first five by their numbers.
//!
//! The titles are made by a generator of random numbers, so that no file is needed. A title has eight words. A word
//! has two of the 60 syllables of a consonant and a vowel. The smaller one of two random numbers chooses it,
//! so that some words are frequent.

use std::collections::HashMap;
use std::sync::OnceLock;

use isolab_sdk::{Request, Response};

/// Titles in the index.
const TITLES: u32 = 150_000;
const WORDS_OF_TITLE: u32 = 8;
/// Titles in an answer.
const FIRST: usize = 5;
const MOST_WORDS: usize = 8;

const CONSONANTS: &[u8; 12] = b"bdfgklmnprst";
const VOWELS: &[u8; 5] = b"aeiou";
const SYLLABLES: u32 = 60;

const OUT_OF_RANGE: &str = r#"{"error":"words must be 1 to 8 words, with a space between them"}"#;

static INDEX: OnceLock<Index> = OnceLock::new();

/// Builds the index.
pub fn initialize() {
    INDEX.get_or_init(Index::build);
}

/// Answers with the titles that have all words of the request.
pub fn handle(request: &Request<'_>) -> Response {
    let words = request.query_value("words").unwrap_or_default();
    let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
    if words.is_empty() || words.len() > MOST_WORDS {
        return Response::json(400, OUT_OF_RANGE);
    }
    let index = INDEX.get_or_init(Index::build);
    let found = index.find(&words);
    let first: Vec<_> = found.iter().take(FIRST).map(|id| index.describe(*id)).collect();
    Response::json(200, format!(r#"{{"found":{},"first":[{}]}}"#, found.len(), first.join(",")))
}

isolab_sdk::export!(handle, initialize = initialize);

struct Index {
    titles: Vec<String>,
    /// The titles with a word, in ascending order.
    titles_of: HashMap<String, Vec<u32>>,
}

impl Index {
    fn build() -> Self {
        let mut random = Random(1);
        let mut index = Self { titles: Vec::new(), titles_of: HashMap::new() };
        for id in 0..TITLES {
            let words: Vec<String> = (0..WORDS_OF_TITLE).map(|_| random.word()).collect();
            index.titles.push(words.join(" "));
            for word in words {
                let ids = index.titles_of.entry(word).or_default();
                // A word may stand in a title twice.
                if ids.last() != Some(&id) {
                    ids.push(id);
                }
            }
        }
        index
    }

    fn find(&self, words: &[&str]) -> Vec<u32> {
        let mut lists: Vec<&[u32]> =
            words.iter().map(|word| self.titles_of.get(*word).map_or(&[][..], Vec::as_slice)).collect();
        lists.sort_by_key(|list| list.len());
        let Some((shortest, others)) = lists.split_first() else { return Vec::new() };
        let is_in_all = |id: &&u32| others.iter().all(|list| list.binary_search(id).is_ok());
        shortest.iter().filter(is_in_all).copied().collect()
    }

    fn describe(&self, id: u32) -> String {
        format!(r#"{{"id":{id},"title":"{}"}}"#, self.titles[id as usize])
    }
}

/// The linear congruential generator of Numerical Recipes (2nd edition, §7.1), with its lowest bits left out.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 8
    }

    fn word(&mut self) -> String {
        let words = SYLLABLES * SYLLABLES;
        let index = (self.next() % words).min(self.next() % words);
        [index / SYLLABLES, index % SYLLABLES].into_iter().flat_map(syllable).collect()
    }
}

fn syllable(index: u32) -> [char; 2] {
    let (consonant, vowel) = (index as usize / VOWELS.len(), index as usize % VOWELS.len());
    [CONSONANTS[consonant], VOWELS[vowel]].map(char::from)
}
