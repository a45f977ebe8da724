"""Near spellings: what somebody may have meant who typed a word that nothing has."""

from collections import Counter

import tantivy
from tantivy import Query

from catalog.search.analysis import Word, distance, mistakes_allowed, question_words, terms, tokens
from catalog.search.answers import how_many
from catalog.search.questions import CardQuestion, every, filtered, matching
from catalog.search.schema import SCHEMA, letter

FEW = 3  # cards: with fewer, other spellings are looked for
_LOOKED_AT = 60


def did_you_mean(searcher: tantivy.Searcher, question: CardQuestion) -> tuple[Word, ...] | None:
    """The words of a question with near spellings for those that few cards have; None if there are
    none that find more.
    """
    plain = filtered(CardQuestion(question.tier_level))
    changed = False
    words: list[Word] = []
    for word in question.words:
        alone = CardQuestion(question.tier_level, words=(word,))
        there = how_many(searcher, matching(searcher, alone))
        near = _nearest(searcher, question, word, plain) if there < FEW else None
        changed = changed or near is not None
        words.append(word if near is None else question_words(near)[0])
    return tuple(words) if changed else None


def _nearest(
    searcher: tantivy.Searcher, question: CardQuestion, word: Word, plain: list[Query]
) -> str | None:
    most = mistakes_allowed(word.text)
    if not most:
        return None
    near = Query.fuzzy_term_query(SCHEMA, "name", word.text, distance=most)
    brand = Query.fuzzy_term_query(SCHEMA, "brand_words", word.text, distance=most)
    either = Query.disjunction_max_query([near, brand])
    hits = searcher.search(every([*plain, either]), limit=_LOOKED_AT, count=False).hits
    letters = tuple(letter(tier) for tier in range(question.tier + 1))
    seen: Counter[str] = Counter()
    whole: set[str] = set()  # words as they are written, which are told rather than their stems
    for _rank, address in hits:
        shown = str(searcher.doc(address).get_first("shown") or "")
        for line in shown.splitlines():
            if line.startswith(letters):
                seen.update(terms(line[1:]).keys())
                whole.update(tokens(line[1:]))
    candidates = [
        (far, there not in whole, -often, there)
        for there, often in seen.items()
        if there != word.text and (far := distance(word.text, there, most)) <= most
    ]
    return min(candidates)[3] if candidates else None
