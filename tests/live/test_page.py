"""The live page as a reader uses it, in Chromium or Chrome, driven by Playwright."""

import base64
import io
import itertools
import re

import keras
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tlvit_utils import live
from tlvit_utils.analysis.epoch_maps import EpochMaps
from tlvit_utils.vit import ViTConfig, build_vit

FOREIGN = "<img src=x onerror='window.foreign = 1'>"
COUNT, SIZE = 12, 32
MODES = ("look", "picture", "network", "paint", "training")
WINDOW = {"width": 1200, "height": 1100}
NAMES = ["cat", "dog", FOREIGN]


@pytest.fixture(scope="module")
def networks(randomise):
    """v1, v1.1 and none, tiny; 4 × 4 cells, 3 tokens."""
    config = ViTConfig(
        resized_size=SIZE, crop_size=SIZE, patch_size=8, projection_dim=8, num_layers=2,
        num_heads=2, key_dim=4, mlp_units=(8,), num_tokens=3, token_learner_after=0,
        num_classes=len(NAMES),
    )  # fmt: skip
    configs = {
        "one": config,
        f"other {FOREIGN}": config.replace(variant="v1.1"),
        "none": config.replace(num_tokens=None),
    }
    return {name: randomise(build_vit(each)) for name, each in configs.items()}


@pytest.fixture(scope="module")
def scenes():
    """A square of noise, at its own place in each picture, on a ground of one colour."""
    rng = np.random.default_rng(0)
    images = np.zeros((COUNT, SIZE, SIZE, 3), "uint8") + rng.integers(
        0, 256, (COUNT, 1, 1, 3), "uint8"
    )
    masks = np.zeros((COUNT, SIZE, SIZE), "uint8")
    for i in range(COUNT):
        place = (i, slice(4, 16), slice(4 + i, 16 + i))
        images[place] = rng.integers(0, 256, (12, 12, 3))
        masks[place] = 1
    return images, np.arange(COUNT) % len(NAMES), masks


@pytest.fixture(scope="module")
def made(networks, scenes):
    images, labels, masks = scenes
    epoch_maps = EpochMaps(
        maps=np.random.default_rng(1).random((4, 5, 3, 4, 4)).astype("float16"),
        val_accuracy=np.array([0.25, 0.5, 0.625, 0.75]),
        image_indices=np.arange(5),
        split="test",
        dataset="scenes10",
    )
    one = live.page(
        networks, images, labels, masks, epoch_maps, class_names=NAMES, title=f"Try {FOREIGN}"
    )
    small = {"pictures without masks": networks["one"]}
    both = one + live.page(small, images[:3], labels[:3], class_names=NAMES)
    both.data["sets"][0]["start"] = 0  # whatever these networks answer
    return both


@pytest.fixture(scope="module")
def address(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("live") / "page.html"
    made.save(path)
    return path.as_uri()


@pytest.fixture
def open_page(new_page, address):
    """A function that opens the page, offline, at a state."""

    def open_page(state="", **options):
        page = new_page(offline=True, reduced_motion="reduce", **{"viewport": WINDOW, **options})
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{address}#{state}")
        page.wait_for_selector(".bars tbody tr")
        assert [url for url in requests if not url.startswith(("data:", "blob:", "file:"))] == []
        return page

    return open_page


def settle(page):
    """Show what is chosen, also in words and in the address, without waiting for it."""
    page.evaluate("render(); settle()")


def until(page, condition):
    """Wait until a JavaScript expression is true; the page's policy forbids Playwright's way."""
    for _ in range(1200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"{condition} is not true after a minute")


def shown(page, column=0):
    """Return the probabilities that the bars of a column show, in percent."""
    settle(page)
    bars = page.locator(".column").nth(column).locator(".result > .bars td:nth-child(2) div")
    return bars.evaluate_all("bars => bars.map(bar => parseFloat(bar.style.width))")


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def picture(page):
    """Return the large picture with all that lies over it, (height, width, 3)."""
    settle(page)
    return pixels(page.locator(".pad").first.screenshot())


def view(page):
    """Return what the network sees, (SIZE, SIZE, 3)."""
    settle(page)
    url = page.locator(".pad canvas").first.evaluate("canvas => canvas.toDataURL()")
    return pixels(base64.b64decode(url.split(",")[1]))


def says(model, image):
    """Return what Keras says of an image, in percent."""
    return 100 * keras.ops.convert_to_numpy(model(image[None].astype("float32")))[0]


def check_shown(page, model, image, column=0):
    np.testing.assert_allclose(shown(page, column), says(model, image), atol=0.01)


def drag(page, start, end):
    """Drag over the large picture between two places, given as shares of its width."""
    box = page.locator(".pad").first.bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=4)
    page.mouse.up()
    settle(page)


def hash_of(page):
    settle(page)
    return page.evaluate("decodeURIComponent(location.hash.slice(1))")


def test_it_says_what_keras_says(open_page, networks, scenes):
    page = open_page("picture=3")
    check_shown(page, networks["one"], scenes[0][3])
    texts = page.locator(".result > .bars td:nth-child(3)").all_inner_texts()
    assert texts == [f"{probability:.1f} %" for probability in shown(page)]
    pixels = scenes[0][5].ravel().tolist()
    run = page.evaluate("pixels => Array.from(tokenlearner.run(pixels).probabilities)", pixels)
    np.testing.assert_allclose(
        np.multiply(run, 100), says(networks["one"], scenes[0][5]), atol=0.01
    )


def test_pictures_are_chosen_by_class_by_wrong_answer_and_by_arrow_keys(
    open_page, networks, scenes
):
    page = open_page()
    said = [says(networks["one"], image).argmax() for image in scenes[0]]
    page.get_by_role("button", name="Next wrong answer").click()
    wrong = [i for i in range(1, COUNT) if said[i] != scenes[1][i]]
    assert f"picture={wrong[0]}" in hash_of(page)
    page.get_by_label("Class").select_option("dog")
    visible = page.locator("#thumbs label:visible input")
    expect(visible).to_have_count(4)
    assert all("dog" in thumb.get_attribute("aria-label") for thumb in visible.all())
    page.locator("#thumbs :checked").focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    chosen = page.locator("#thumbs :checked")
    assert "dog" in chosen.get_attribute("aria-label")
    before = shown(page)
    page.keyboard.press("ArrowRight")
    assert shown(page) != before


def test_a_token_opens_and_its_map_lies_over_the_picture(open_page):
    page = open_page()
    plain = picture(page)
    page.locator(".token button").nth(1).click()
    page.mouse.move(0, 0)
    assert np.abs(picture(page) - plain).mean() > 5
    assert "Token 2: strongest at row" in page.locator(".words").first.inner_text()
    assert "Token 2" in page.locator(".pad canvas").first.get_attribute("aria-label")
    assert page.locator(".token button").nth(1).get_attribute("aria-pressed") == "true"
    page.locator(".token button").nth(1).click()
    page.mouse.move(0, 0)
    np.testing.assert_array_equal(picture(page), plain)


def test_the_mean_map_lights_the_picture_where_no_token_is_open_and_nobody_paints(open_page):
    page = open_page("picture=3&mode=picture&tool=k")  # a brush needs the picture as it is
    plain = picture(page).astype(float)
    page.get_by_text("Look").click()
    maps = page.evaluate("Array.from(tokenlearner.run(sets[0].pictures[3].pixels).maps)")
    mean, side = np.reshape(maps, (3, 16)).mean(0), len(plain) / 4
    bright, dark = (
        tuple(slice(int(side * (i + 0.4)), int(side * (i + 0.6))) for i in divmod(cell, 4))
        for cell in (mean.argmax(), mean.argmin())
    )  # the middles of two cells
    lit = picture(page)
    assert lit[bright].sum() > 0.98 * plain[bright].sum()
    assert lit[dark].sum() < 0.45 * plain[dark].sum()
    page.get_by_label("Opacity").press("Home")
    assert picture(page)[dark].sum() > 0.98 * plain[dark].sum()


def test_a_cell_shows_its_weight_in_every_token(open_page, networks):
    page = open_page()
    box = page.locator(".pad").first.bounding_box()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.1 * box["height"])  # cell 2
    settle(page)
    maps = np.array(page.evaluate("Array.from(tokenlearner.run(sets[0].pictures[0].pixels).maps)"))
    shares = maps.reshape(3, 16)[:, 2] / maps.reshape(3, 16).sum(1)
    texts = page.locator(".token .share").all_inner_texts()
    np.testing.assert_allclose([float(t.split()[0]) for t in texts], 100 * shares, atol=0.06)
    assert f"read most by token {shares.argmax() + 1}" in page.locator(".extra").first.inner_text()
    page.mouse.down()
    page.mouse.up()
    page.mouse.move(0, 0)  # a clicked cell stays
    assert "cell=2" in hash_of(page)
    assert page.locator(".token .share").all_inner_texts() == texts


def test_scale_opacity_and_values_change_what_is_drawn(open_page):
    page = open_page("token=0")
    seen = [picture(page)]
    for control in ("shared", "values, %"):
        page.get_by_label(control).check(force=True)
        seen.append(picture(page))
    page.get_by_label("Opacity").press("Home")
    seen.append(picture(page))
    assert all((a != b).any() for a, b in itertools.pairwise(seen))
    low, high = page.locator(".scale span").all_inner_texts()[:2]
    maps = page.evaluate("Array.from(tokenlearner.run(sets[0].pictures[0].pixels).maps)")
    assert (float(low), float(high)) == pytest.approx((min(maps), max(maps)), abs=6e-4)


def test_the_hidden_object_is_dragged_and_the_maps_follow(open_page, networks, scenes):
    page = open_page("mode=picture")
    drag(page, (0.3, 0.3), (0.3 + 0.25, 0.3 + 0.5))
    assert "dx=8&dy=16" in hash_of(page)
    image, mask = scenes[0][0].copy(), scenes[2][0].astype(bool)
    image[mask] = image[-1, -1]
    image[20:32, 12:24] = scenes[0][0][4:16, 4:16]
    check_shown(page, networks["one"], image)
    script = "pixels => Array.from(tokenlearner.run(pixels).maps)"
    maps = np.array(page.evaluate(script, image.ravel().tolist())).reshape(3, 4, 4).sum(0)
    weight = np.kron(maps, np.ones((8, 8)))[20:32, 12:24].sum() / (64 * maps.sum())
    words = f"{weight:.0%} of the maps’ weight lies on the object, which covers 14 %"
    assert words.replace("%", " %", 1) in page.locator(".extra").first.inner_text()
    drag(page, (0.5, 0.5), (0.99, 0.99))  # not out of the picture
    assert "dx=16&dy=16" in hash_of(page)
    page.locator("#undo").click()
    assert "dx=8&dy=16" in hash_of(page)
    page.get_by_role("button", name="Take the object out").click()
    settle(page)
    image[20:32, 12:24] = image[-1, -1]
    check_shown(page, networks["one"], image)


def test_brush_patch_eraser_undo_and_a_finger(open_page):
    page = open_page("mode=picture", has_touch=True)
    clean, before = view(page), shown(page)
    page.get_by_label("red brush").check(force=True)
    drag(page, (0.8, 0.1), (0.8, 0.9))
    np.testing.assert_array_equal(view(page)[16, 25], [200, 40, 40])
    assert shown(page) != before
    change = page.locator(".result > .bars td:nth-child(5)").first.inner_text()
    assert re.fullmatch(r"[+−]?\d+\.\d", change)
    page.get_by_label("grey patch").check(force=True)
    drag(page, (0.2, 0.8), (0.2, 0.8))
    np.testing.assert_array_equal(view(page)[25, 6], [128, 128, 128])
    page.get_by_label("eraser").check(force=True)
    drag(page, (0.8, 0.1), (0.8, 0.9))
    np.testing.assert_array_equal(view(page)[16, 25], clean[16, 25])
    for _ in range(3):
        page.locator("#undo").click()
    np.testing.assert_array_equal(view(page), clean)
    assert shown(page) == before and "nothing yet" in page.locator("#changes").inner_text()
    page.get_by_label("red brush").check(force=True)
    box = page.locator(".pad").first.bounding_box()
    page.touchscreen.tap(box["x"] + 0.9 * box["width"], box["y"] + 0.1 * box["height"])
    np.testing.assert_array_equal(view(page)[3, 28], [200, 40, 40])


def test_the_network_changes_and_the_bars_say_by_how_much(open_page):
    page = open_page("mode=network")
    before, seen = shown(page), []
    page.get_by_label("token 2 on").uncheck()
    settle(page)
    expected = page.evaluate("""() => {
        const network = networkOf(entries[0]), pass = network.run(sets[0].pictures[0].pixels);
        return Array.from(network.predict(keepTokens(pass.tokens, network.dim, [0, 2]))); }""")
    np.testing.assert_allclose(shown(page), 100 * np.array(expected), atol=0.01)
    signed = page.locator(".result > .bars td:nth-child(5)").all_inner_texts()
    differences = [float(text.replace("−", "-")) for text in signed]
    np.testing.assert_allclose(differences, 100 * np.array(expected) - before, atol=0.11)
    assert "without token 2" in page.locator("#changes").inner_text()
    page.get_by_role("button", name="Undo all").click()
    for choice in ("flat maps", "the mean map", "another picture’s"):
        page.get_by_role("radio", name=choice).check(force=True)
        seen.append(shown(page))
    page.get_by_role("button", name="Randomise the weights").click()
    seen.append(shown(page))
    assert len({tuple(each) for each in [before, *seen]}) == 5
    page.get_by_role("button", name="Undo all").click()
    assert shown(page) == before


def test_the_reader_paints_a_map_and_hears_who_wins(open_page):
    page = open_page("mode=paint")
    extra = page.locator(".extra").first
    assert "Nothing is painted yet." in extra.inner_text()
    drag(page, (0.1, 0.1), (0.9, 0.1))  # the first row
    assert "painted=9999" + 12 * "0" in hash_of(page)
    expected = page.evaluate("""() => {
        const network = networkOf(entries[0]), pass = network.run(sets[0].pictures[0].pixels);
        const maps = Float32Array.from(pass.maps, (_, i) => {
          const t = Math.floor(i / 16) * 16;
          return i % 16 < 4 ? pass.maps.subarray(t, t + 16).reduce((a, b) => a + b) / 4 : 0; });
        return Array.from(network.predict(network.pool(pass.grid, maps))); }""")
    np.testing.assert_allclose(shown(page), 100 * np.array(expected), atol=0.01)
    said = extra.locator("p").first.inner_text()
    mine, theirs = map(float, re.findall(r"([\d.]+) %", said))
    assert said.startswith("Your map wins" if mine > theirs else "The learned maps win")
    page.locator("#undo").click()
    settle(page)
    assert "Nothing is painted yet." in extra.inner_text()
    page.locator(".token button").nth(1).click()
    settle(page)
    assert "You paint for token 2" in page.locator("#painter").inner_text()


def test_two_networks_stand_beside_each_other(open_page, networks, scenes):
    page = open_page(viewport={"width": 1400, "height": 900})
    page.get_by_label("Compare with").select_option("0.1")
    settle(page)
    boxes = [page.locator(".column").nth(i).bounding_box() for i in (0, 1)]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[1]["x"] > boxes[0]["x"] + boxes[0]["width"]
    for column, model in enumerate(list(networks.values())[:2]):
        check_shown(page, model, scenes[0][0], column)
    page.get_by_label("Compare with").select_option("none (32 px)")
    check_shown(page, networks["none"], scenes[0][0], 1)
    page.get_by_label("Compare with").select_option("pictures without masks (32 px)")
    page.locator("#thumbs input").nth(1).check()  # of both sets
    check_shown(page, networks["one"], scenes[0][1], 1)
    page.get_by_label("Compare with").select_option("nothing")
    expect(page.locator(".column")).to_have_count(1)


def test_a_token_that_is_off_leaves_the_mean_map_and_the_weight_on_the_object(open_page):
    page = open_page("mode=network&off=0,2")
    maps = page.evaluate("Array.from(tokenlearner.run(sets[0].pictures[0].pixels).maps)")
    left = np.reshape(maps, (3, 4, 4))[1]
    low, high = page.locator(".scale span").all_inner_texts()[:2]
    assert (float(low), float(high)) == pytest.approx((left.min(), left.max()), abs=6e-4)
    expected = sum(
        left[row, column] * (min(16, 8 * row + 8) - max(4, 8 * row))
        * (min(16, 8 * column + 8) - max(4, 8 * column))
        for row in (0, 1) for column in (0, 1)
    ) / 64 / left.sum()  # fmt: skip
    said = page.locator(".extra").first.inner_text()
    assert float(re.search(r"(\d+) % of the maps", said)[1]) == pytest.approx(
        100 * expected, abs=0.6
    )


def test_a_token_beside_a_network_without_maps_can_be_left_out(open_page, networks, scenes):
    page = open_page("network=0.2&beside=0.0&mode=network")
    before = shown(page, 1)
    page.get_by_label("token 3 on").uncheck()
    assert "off=2" in hash_of(page) and shown(page, 1) != before
    assert not page.get_by_label("token 3 on").is_checked()
    page.get_by_role("radio", name="flat maps").check(force=True)
    assert "maps=flat" in hash_of(page)


def test_the_training_shows_the_finished_networks_bars_and_says_so(open_page, networks, scenes):
    page = open_page("mode=training&epoch=0&maps=flat&off=0&dx=5&seed=3&beside=0.1")
    check_shown(page, networks["one"], scenes[0][0])
    words = page.locator("#tools-training").inner_text()
    assert "bars are always those of the finished network" in words and "beside" in words
    assert not page.locator("#changes").is_visible()
    assert page.locator(".token.off").count() == 0


def test_the_training_is_scrubbed_played_and_clicked(open_page):
    page = open_page("mode=training&token=0&picture=9")
    assert "picture" not in hash_of(page)  # it has no maps of picture 10
    assert page.locator("#thumbs label:visible").count() == 5
    last = picture(page)
    page.get_by_role("slider", name="Epoch").focus()
    page.keyboard.press("Home")
    settle(page)
    words = page.locator("#epoch-words")
    assert words.inner_text() == "epoch 1 of 4: validation accuracy 25.0 %"
    assert (picture(page) != last).any()
    page.locator(".dots i").nth(2).click(force=True)
    assert "epoch=2" in hash_of(page)
    assert words.inner_text() == "epoch 3 of 4: validation accuracy 62.5 %"
    page.get_by_role("button", name="Play").click()
    until(page, "document.querySelector('#epoch-words').textContent.startsWith('epoch 4')")
    page.wait_for_selector("text=Play")


HOLD = """() => {  // reading slow.png ends when release() is called
    const take = takeFile;
    window.taken = [];
    window.takeFile = (file) => { const done = take(file); taken.push(done); return done; };
    const make = createImageBitmap, held = new Promise((go) => { window.release = go; });
    window.createImageBitmap = (file) =>
        file.name === "slow.png" ? held.then(() => make(file)) : make(file); }"""

RELEASE = "async () => { release(); await Promise.all(taken); }"


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_an_own_picture_is_taken_and_a_bad_file_gets_a_sentence(open_page, networks):
    page = open_page("mode=picture&dabs=k22")
    pixels = np.random.default_rng(2).integers(0, 256, (SIZE, SIZE, 3), "uint8")
    expected = says(networks["one"], pixels)
    upload, note = page.locator("#file"), page.locator("#note")
    broken = {"name": f"{FOREIGN}.txt", "mimeType": "image/png", "buffer": b"no picture"}
    upload.set_input_files(broken)
    until(page, "document.querySelector('#note').textContent.includes('cannot be read')")
    assert FOREIGN in note.inner_text()
    huge = png(np.zeros((8000, 8000), "uint8"))
    upload.set_input_files({"name": "huge.png", "mimeType": "image/png", "buffer": huge})
    until(page, "document.querySelector('#note').textContent.includes('8000')")
    upload.set_input_files({"name": FOREIGN, "mimeType": "image/png", "buffer": png(pixels)})
    until(page, "!document.querySelector('#note').textContent")
    np.testing.assert_allclose(shown(page), expected, atol=0.01)
    assert "true" not in page.locator(".result").first.inner_text()
    # dropped and pasted
    drop = """([kind, base64]) => {
        const data = new DataTransfer();
        const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
        data.items.add(new File([bytes], "mine.png", { type: "image/png" }));
        document.dispatchEvent(kind === "drop" ? new DragEvent("drop", { dataTransfer: data })
          : new ClipboardEvent("paste", { clipboardData: data })); }"""
    for i, kind in enumerate(["drop", "paste"]):
        other = np.full((SIZE, SIZE, 3), 90 * i + 40, "uint8")
        page.evaluate(drop, [kind, base64.b64encode(png(other)).decode()])
        until(page, "!document.querySelector('#note').textContent")
        check_shown(page, networks["one"], other)
    assert not page.evaluate("window.foreign")


def test_the_last_of_two_files_is_shown_however_long_the_first_takes(open_page, networks):
    page = open_page()
    small = np.full((SIZE, SIZE, 3), 77, "uint8")
    page.evaluate(HOLD)
    for name, pixels in (("slow.png", 0 * small), ("quick.png", small)):
        page.locator("#file").set_input_files(
            {"name": name, "mimeType": "image/png", "buffer": png(pixels)}
        )
    until(page, "Boolean(sets[0].own)")
    page.evaluate(RELEASE)
    assert "quick.png" in page.evaluate("sets[0].own.name")
    check_shown(page, networks["one"], small)


def test_a_choice_made_while_a_file_is_read_stays(open_page):
    page = open_page()
    page.evaluate(HOLD)
    buffer = png(np.zeros((SIZE, SIZE, 3), "uint8"))
    page.locator("#file").set_input_files(
        {"name": "slow.png", "mimeType": "image/png", "buffer": buffer}
    )
    page.locator("#thumbs input").nth(2).check()
    page.evaluate(RELEASE)
    assert page.evaluate("[state.picture, Boolean(sets[0].own)]") == [2, False]


def test_foreign_text_stays_text(open_page):
    page = open_page("beside=0.1&mode=network&maps=other")
    assert page.locator("h1").inner_text() == f"Try {FOREIGN}"
    assert FOREIGN in page.locator(".bars").first.inner_text()
    assert page.locator("img").count() == 0 and not page.evaluate("window.foreign")


def test_the_address_holds_the_state(open_page):
    text = (
        "network=0.1&beside=0.0&picture=2&mode=network&token=1&cell=5&scale=shared"
        "&opacity=80&values=true&dabs=k22e23&dx=3&off=0&maps=other&other=4&seed=2"
    )
    page = open_page(text)
    assert sorted(hash_of(page).split("&")) == sorted(text.split("&"))
    first = picture(page), shown(page), shown(page, 1)
    page.get_by_text("Share", exact=True).click()
    link = page.locator("#share-text").input_value()
    again = open_page(link.split("#")[1])
    np.testing.assert_array_equal(picture(again), first[0])
    assert (shown(again), shown(again, 1)) == first[1:]


@pytest.mark.parametrize(
    "text",
    [
        "network=9.9&picture=-5&token=77&cell=999&mode=nothing&epoch=x&other=1e9",
        "dabs=zzz&painted=<b>&off=0,1,2&scale=__proto__&dx=999&seed=-1&opacity=&tool=constructor",
        "off=a,b&beside=constructor&filter=99",
    ],
)
def test_an_address_with_nonsense_shows_something(open_page, text):
    page = open_page(text)
    assert sum(shown(page)) == pytest.approx(100, abs=0.3)
    assert page.evaluate("state.seed") == 0  # draws need a positive one


def test_one_paints_against_the_learned_maps(open_page):
    page = open_page("mode=paint&maps=flat&seed=2")
    settle(page)
    assert hash_of(page) == "mode=paint"


def test_a_changed_picture_stays_when_another_network_looks_at_it(open_page):
    page = open_page("mode=picture&dabs=k22")
    page.locator("[name=network]").select_option("0.1")
    settle(page)
    assert "dabs=k22" in hash_of(page)
    page.locator("[name=network]").select_option("1.0")  # of other pictures
    settle(page)
    assert "dabs" not in hash_of(page)


def test_a_text_that_holds_no_view_changes_nothing(open_page):
    page = open_page("mode=network&off=1")
    page.get_by_text("Share", exact=True).click()
    page.locator("#share-text").fill("hello")
    page.locator("#share-text").press("Enter")
    assert "no view" in page.locator("#share-note").inner_text()
    assert hash_of(page) == "mode=network&off=1"


def test_undo_leaves_the_focus_in_the_page_and_counts_only_changes(open_page):
    page = open_page("mode=picture")
    drag(page, (0.3, 0.3), (0.3, 0.3))  # moves nothing
    assert page.locator("#undo").is_disabled()
    drag(page, (0.3, 0.3), (0.5, 0.3))
    drag(page, (0.5, 0.3), (0.5, 0.3))
    page.locator("#undo").focus()
    page.keyboard.press("Enter")
    assert "dx" not in hash_of(page) and page.locator("#undo").is_disabled()
    assert page.evaluate("document.activeElement.className").startswith("pad")


def test_what_was_done_to_one_picture_cannot_be_undone_on_another(open_page):
    page = open_page("mode=picture&tool=k")
    drag(page, (0.3, 0.3), (0.5, 0.3))
    page.get_by_label("Class").select_option(label="dog")
    assert "picture=1" in hash_of(page) and "dabs" not in hash_of(page)
    assert page.locator("#undo").is_disabled()


def test_keys_with_modifiers_second_fingers_and_dropped_text_are_left_alone(open_page):
    page = open_page("mode=picture&tool=r")
    page.locator(".pad").first.press("Control+ArrowRight")
    assert "cell" not in hash_of(page)
    page.evaluate("""() => $(".pad").dispatchEvent(new PointerEvent("pointerdown",
        { pointerId: 7, pointerType: "touch", isPrimary: false, clientX: 1, clientY: 1 }))""")
    assert "dabs" not in hash_of(page)
    assert page.evaluate("""() => {
        const dataTransfer = new DataTransfer();
        dataTransfer.setData("text/plain", "#mode=paint");
        const drop = new DragEvent("drop", { dataTransfer, cancelable: true });
        return document.dispatchEvent(drop); }""")  # nothing prevented it


def test_both_networks_are_spoken_for(open_page):
    page = open_page("beside=0.2")
    settle(page)
    said = page.locator("#say").text_content()
    assert said.startswith("one: ") and " none: " in said


def test_the_keyboard_alone_is_enough(open_page):
    page = open_page()
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached |= set(
            page.evaluate(
                "(({id, name, classList}) => [id, name, classList[0]])(document.activeElement)"
            )
        )
    assert reached >= {
        "tour-start",
        "filter",
        "wrong",
        "file",
        "picture",
        "network",
        "mode",
        "pad",
    }
    page.get_by_label("Look").focus()
    page.keyboard.press("ArrowRight")
    page.locator(".pad").first.focus()
    page.keyboard.press("ArrowRight")
    assert "dx=1" in hash_of(page)
    page.get_by_label("Change the picture").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.locator(".pad").first.focus()
    for key in ("ArrowUp", "ArrowLeft", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    assert "painted=0000090000" in hash_of(page)
    assert "row 1, column 1" in page.locator(".pad").first.get_attribute("aria-label")
    page.keyboard.press("Escape")
    assert "cell" not in hash_of(page)


@pytest.mark.parametrize(("network", "count"), [("0.0", 6), ("1.0", 5)], ids=["masks", "no masks"])
def test_the_tour_asks_before_it_shows(open_page, network, count):
    page = open_page(f"network={network}")
    page.get_by_role("button", name="Guided tour").click()
    asked = []
    while page.locator("#tour").is_visible():
        asked.append(page.locator("#tour-text").inner_text())
        assert page.locator("#tour-answer").inner_text() == ""
        page.locator("#tour-guesses button").first.press("Enter")
        answer = page.locator("#tour-answer").inner_text()
        assert re.match(r"(You were right\.|It is the other way round\.) .*\d|.*said", answer)
        assert "NaN" not in answer and "undefined" not in answer
        page.locator("#tour-next").press("Enter")
    assert "painted=0000099009900000" in hash_of(page)  # the last step's map
    assert len(asked) == count and any("moves" in text for text in asked) == (count == 6)
    found = hash_of(page)
    for _ in range(2):  # begin, and begin again
        page.get_by_role("button", name="Guided tour").click()
        page.locator("#tour-guesses button").first.press("Enter")
        assert hash_of(page) != found
    page.get_by_role("button", name="Leave the tour").click()
    assert not page.locator("#tour").is_visible() and hash_of(page) == found


def test_the_tour_ends_where_the_network_that_is_chosen_has_no_maps(open_page):
    page = open_page("beside=0.1")
    page.get_by_role("button", name="Guided tour").click()
    page.get_by_role("button", name="Skip this step").click()
    asked = page.locator("#tour-text").inner_text()
    page.evaluate("begin({ picture: 4 })")
    page.locator("#tour-guesses button").first.click()  # it asks again, of this picture
    assert page.locator("#tour-text").inner_text() == asked
    assert page.locator("#tour-answer").inner_text() == ""
    page.locator("[name=network]").select_option("0.2")
    page.locator("#tour-guesses button").first.click()
    assert not page.locator("#tour").is_visible()
    assert page.evaluate("document.activeElement.name") == "network"


def test_it_works_in_a_frame_and_follows_the_theme(new_page, made):
    page = new_page(offline=True, color_scheme="light")
    frame_html, _ = made._repr_mimebundle_()
    page.set_content(f"<body data-jp-theme-light='false'>{frame_html['text/html']}</body>")
    frame = page.frames[1]
    frame.wait_for_selector(".bars tbody tr")
    assert frame.evaluate("document.documentElement.dataset.theme") == "dark"
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    until(frame, "document.documentElement.dataset.theme === 'light'")
    until(frame, "frameElement.clientHeight >= document.documentElement.scrollHeight")
    assert page.locator("iframe").bounding_box()["height"] > 600  # no second scroll bar
    frame.get_by_label("Change the network").check()
    frame.get_by_label("flat maps").check(force=True)
    settle(frame)
    frame.get_by_text("Share", exact=True).click()
    text = frame.locator("#share-text").input_value()
    assert text.startswith("#") and "maps=flat" in text
    frame.locator("#share-text").fill("#mode=network&off=1")
    frame.locator("#share-text").press("Enter")
    frame.wait_for_selector("text=without token 2")


@pytest.mark.parametrize(
    ("host", "theme", "framed"),
    [("data-vscode-theme-kind='vscode-dark'", "dark", True), ("", "auto", False)],
)
def test_a_frame_knows_other_hosts(host, theme, framed, new_page, made):
    page = new_page(offline=True)
    page.set_content(f"<body {host}>{made._repr_mimebundle_()[0]['text/html']}</body>")
    frame = page.frames[1]
    frame.wait_for_selector(".bars tbody tr")
    root = frame.locator("html")
    assert root.get_attribute("data-theme") == theme
    assert root.evaluate("(root) => root.hasAttribute('data-framed')") == framed


def test_motion_shows_the_pooling_unless_it_is_not_wanted(open_page, new_page, address):
    still = open_page()
    still.locator(".token button").first.click()
    assert still.locator(".flying").count() == 0
    page = new_page()
    page.goto(address)
    page.evaluate(
        """() => {
            window.most = 0;  // cells in flight at once, however slow this machine is
            new MutationObserver(() => {
                window.most = Math.max(window.most, document.querySelectorAll(".flying").length);
            }).observe(document.body, {childList: true, subtree: true});
        }"""
    )
    page.locator(".token button").first.click()
    until(page, "window.most === 16")
    expect(page.locator(".flying")).to_have_count(0)


@pytest.mark.parametrize(
    ("scheme", "modes"),
    [("light", MODES), pytest.param("dark", ("network", "paint"), marks=pytest.mark.slow)],
)
def test_axe_finds_nothing(open_page, axe, scheme, modes):
    page = open_page("beside=0.1&token=1&cell=3&maps=flat&off=0", color_scheme=scheme)
    page.get_by_role("button", name="Guided tour").click()
    for mode in modes:
        page.locator(f"[value={mode}]").check()
        settle(page)
        found = axe.run(page).response["violations"]
        assert not [(each["id"], each["nodes"][0]["html"]) for each in found]


def test_nothing_is_wider_than_the_window(open_page):
    page = open_page("beside=0.1&token=1&maps=flat")
    for width in (390, 900, 1600):
        page.set_viewport_size({"width": width, "height": 900})
        for mode in MODES:
            page.locator(f"[value={mode}]").check()
            settle(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_label("Compare with").select_option("nothing")
    settle(page)
    assert page.locator(".pad").first.bounding_box()["width"] > 600


@pytest.mark.slow
def test_a_thousand_changes_leave_nothing_behind(open_page):
    page = open_page("mode=picture")
    counted = "document.querySelectorAll('*').length"
    before = page.evaluate(counted)
    page.evaluate("""async () => { for (let i = 0; i < 1000; i++) {
        change({ dx: i % 9, token: i % 4 - 1, picture: i % 12,
          mode: ['picture', 'network', 'look'][i % 3] });
        if (i % 20 === 0) await new Promise(requestAnimationFrame); }
        change({ mode: 'picture', picture: 0, token: -1 }); }""")
    settle(page)
    assert page.evaluate(counted) == before
