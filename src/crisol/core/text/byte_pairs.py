"""Byte-pair encodings learned from texts (Sennrich et al., arXiv:1508.07909).

They work on bytes, so that no character is unknown, and ignore case and accents.
"""

from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

LONGEST_TOKEN = 40
"""Characters of a text that are read for each token that is wanted: no token is longer in practice,
so that the end of a long text need not be read."""


def train(texts: Iterable[str], size: int, special: Sequence[str] = ()) -> Tokenizer:
    """Learn the most frequent pairs; the same texts give the same tokens.

    Args:
        texts: to learn from.
        size: tokens of the vocabulary at most; 256 bytes are always among them.
        special: tokens that stand for no text, numbered from 0.

    >>> tokenizer = train(["red mug", "red lamp"] * 3, 300)
    >>> tokenizer.decode(tokenizer.encode("RED mug").ids)
    ' red mug'
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        show_progress=False,
        special_tokens=list(special),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
