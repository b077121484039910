"""Style sheets, scripts, comments and entities leave no words in texts, wherever they come from."""

import time

import pandas as pd
import pytest

from crisol.models.products.contract import Product
from crisol.models.products.data.records import record_from_request
from crisol.models.products.data.text import clean
from crisol.models.products.data.validation import validate_products
from crisol.models.products.params import DataParams


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<style>.a{color:red}</style>Blue mug", "Blue mug"),
        ('Blue<script>var x = "<b>"; run()</script> mug', "Blue mug"),
        ("<STYLE type='text/css'>p {}</STYLE >Blue mug", "Blue mug"),
        ("&lt;style&gt;p{}&lt;/style&gt;Blue mug", "Blue mug"),
        ("&amp;lt;script&amp;gt;x()&amp;lt;/script&amp;gt;Blue mug", "Blue mug"),
        ("Blue mug<script>never closed", "Blue mug"),
        ("<!-- wp:paragraph <b> -->Blue mug<!-- /wp -->", "Blue mug"),
        ("<p>Blue</p><p>mug</p>", "Blue mug"),
        ("Blue<br>mug<br/>large", "Blue mug large"),
        ("<ul><li>Blue</li><li>mug</li></ul>", "Blue mug"),
        ('<a title="a > b" href="x">Blue</a> mug', "Blue mug"),
        ("<![CDATA[<p>Blue mug</p>]]>", "Blue mug"),
        ("p.p1 {margin: 0.0px; font: 12.0px Helvetica} Blue mug", "Blue mug"),
        ("Blue .a, .b > li {color: red;} mug", "Blue mug"),
        ("@media (max-width:600px){ .x {color:red} } Blue mug", "Blue mug"),
        ("Blue&nbsp;mug &amp;amp; saucer", "Blue mug & saucer"),
        ("Size {S, M, L}, <5 kg, 3 > 2", "Size {S, M, L}, <5 kg, 3 > 2"),
        ("I <3 this mug", "I <3 this mug"),
    ],
)
def test_markup_leaves_no_words(text, left):
    assert clean(text) == left
    assert clean(left) == left
    raw = pd.DataFrame({"title": ["x"], "description": [text]})
    row = validate_products(raw, DataParams.model_validate({})).iloc[0]
    request = record_from_request(Product(title="x", description=text), 16)
    assert row["description"] == request.description == left


@pytest.mark.parametrize(
    "piece", ['<a "', "<a '", "<style ", "<!--", "a{b:", "p,", ".a", "<", "{a:"]
)
def test_broken_markup_takes_no_time(piece):
    start = time.perf_counter()
    clean((piece * 20_000)[:20_000])
    assert time.perf_counter() - start < 1
