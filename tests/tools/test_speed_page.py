"""The pictures that tools/speed_page.py draws from a measurement."""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import speed_charts

SVG = "{http://www.w3.org/2000/svg}"


def result(m, us, **more):
    return {"m": m, "n": 1024, "k": 1024, "median_us": us, "tflops": 2 * m * 2**20 / us * 1e-6, "gb_per_s": 2**20 / us * 1e-3} | more


def test_scores_draws_a_bar_for_each_shape_with_a_score():
    tree = ElementTree.fromstring(speed_charts.scores([result(1, 5, score=1.25), result(2, 5, score=0.5), result(3, 5)]))
    bars = tree.findall(f"{SVG}rect")[1:]
    assert [bar.get("fill") for bar in bars] == list(speed_charts.COLORS[:2])
    assert float(bars[0].get("width")) == pytest.approx(2.5 * float(bars[1].get("width")), abs=0.3)
    one = tree.findall(f"{SVG}line")[-1]
    assert float(one.get("x1")) == pytest.approx(float(bars[0].get("x")) + 2 * float(bars[1].get("width")), abs=0.3)
    assert {"1.250", "0.500", "2 x 1024 x 1024"} <= {text.text for text in tree.findall(f"{SVG}text")}


def test_roofline_places_a_floor_above_the_dot_of_its_shape():
    tree = ElementTree.fromstring(speed_charts.roofline([result(64, 5, floor_us=4), result(4096, 50)]))
    named = {circle.find(f"{SVG}title").text: circle for circle in tree.findall(f"{SVG}circle") if circle.find(f"{SVG}title") is not None}
    dot, floor = named["64 x 1024 x 1024: 5.00 us"], named["64 x 1024 x 1024: streaming B alone 4.00 us"]
    assert dot.get("cx") == floor.get("cx") and float(floor.get("cy")) < float(dot.get("cy"))
    right = named["4096 x 1024 x 1024: 50.00 us"]
    assert float(right.get("cx")) > float(dot.get("cx")) and float(right.get("cy")) < float(dot.get("cy"))
