// Every control does what it says, with the pointer and from the keyboard.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, pick, picture, pictures, settle } from "./browser.js";
import { small, wide } from "./runs.js";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

const opened = async (path, options) => {
  const one = await open(browser, path, options);
  return { ...one, check: async () => {
    assert.deepEqual(one.said, []);
    assert.deepEqual(one.asked, []);
    await one.close();
  } };
};
const CKA = "[data-maps=cka]";
const canvas = `${CKA} .map canvas`;
const readout = (page) => page.locator("#readout b").textContent();

test("the slider, its buttons and the arrow keys move one cursor everywhere", async () => {
  const { page, check } = await opened(small());
  await page.locator("#epoch").focus();
  await page.keyboard.press("Home");
  await settle(page);
  assert.equal(await readout(page), "epoch 0");
  await page.locator("#forth").click();
  await settle(page);
  assert.equal(await readout(page), "epoch 1");
  await page.locator("#back").click();
  await settle(page);
  assert.equal(await readout(page), "epoch 0");
  const stage = page.locator(`${CKA} .stage`).last();
  const mark = () => stage.locator(".mark").first().evaluate((line) => line.style.transform);
  const before = await mark();
  await stage.focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  await settle(page);
  assert.notEqual(await mark(), before);
  const words = await page.locator("#readout").textContent();
  assert.match(words, /epoch 1 × epoch 2: [−0-9.]+/);
  const line = page.locator("#headline .cursor-line").first();
  assert.ok(Number(await line.getAttribute("x1")) > 0);
  await check();
});

test("play runs to the last checkpoint and stops", async () => {
  const { page, check } = await opened(small());
  const last = await page.locator("#epoch").getAttribute("max");
  await page.locator("#epoch").evaluate((slider, last) => {
    slider.value = last - 2;
    slider.dispatchEvent(new Event("input"));
  }, Number(last));
  await page.locator("#play").click();
  assert.equal(await page.locator("#play").getAttribute("aria-label"), "pause");
  await page.waitForFunction(() => document.getElementById("play").getAttribute("aria-label") !== "pause");
  assert.equal(await page.locator("#epoch").inputValue(), last);
  await check();
});

test("pointing at a map says its value and its standard error", async () => {
  const { page, check } = await opened(small());
  const stage = page.locator(`${CKA} .stage`).last();
  await stage.scrollIntoViewIfNeeded();
  await stage.hover({ position: { x: 180, y: 180 } });
  await settle(page);
  assert.match(await page.locator("#tip").textContent(), /^[−0-9.]+ \(se [0-9.]+\)epoch [0-9.]+ × epoch [0-9.]+fc · debiased linear CKA, test$/);
  await page.mouse.move(5, 5);
  assert.ok(await page.locator("#tip").isHidden());
  await page.locator("#paths").scrollIntoViewIfNeeded();
  await settle(page);
  await page.locator("#paths .path svg").first().hover();
  assert.match(await page.locator("#tip").textContent(), /^epoch /);
  await check();
});

test("epochs, colors and outlines change every map, and the numbers beside the colors", async () => {
  const { page, check } = await opened(wide());
  const shot = () => picture(page, canvas);
  const plain = await shot();
  const choose = async (name) => {
    await pick(page, ".reading", name);
    await settle(page);
    return shot();
  };
  const linear = await choose("linear");
  assert.notEqual(linear, plain);
  assert.equal(await choose("logarithmic"), plain);
  const scale = page.locator(`${CKA} .scale`);
  assert.match(await scale.textContent(), /^0\.001\.00/);
  assert.notEqual(await choose("each layer"), plain);
  assert.match(await page.locator(`${CKA} .range`).first().textContent(), /^−?0\.\d\d to 1\.00$/);
  await choose("all layers");
  assert.doesNotMatch(await scale.textContent(), /^0\.001\.00/);
  assert.equal(await choose("0 to 1"), plain);
  const phases = page.locator(".reading").getByText("phases", { exact: true });
  assert.equal(await phases.count(), 1, "the run has findings");
  await choose("phases");
  await choose("boundaries");
  await choose("phases");
  assert.equal(await choose("boundaries"), plain);
  await check();
});

test("outlines are drawn where a layer has boundaries", async () => {
  const { page, check } = await opened(wide());
  const shots = () => pictures(page.locator(canvas));
  const plain = await shots();
  await pick(page, ".reading", "phases");
  await settle(page);
  const outlined = await shots();
  const found = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent).sets[0].layers.map((layer) => layer.phases.length));
  found.forEach((phases, k) => assert.equal(outlined[k] !== plain[k], phases > 0, `layer ${k}`));
  await check();
});

test("a glob leaves the layers that it names, in maps, slices and paths", async () => {
  const { page, check } = await opened(wide());
  const maps = () => page.locator(`${CKA} .map h4`).allTextContents();
  assert.equal((await maps()).length, 21);
  await page.locator(".reading input[type=search]").fill("*block0*, *20.conv");
  await settle(page);
  assert.equal((await maps()).length, 11);
  assert.match(await page.locator(".found").first().textContent(), /^11 of 21$/);
  assert.equal(await page.locator(".slices [data-of]").count(), 11);
  await page.locator("#paths").scrollIntoViewIfNeeded();
  await settle(page);
  assert.equal(await page.locator("#paths .path").count(), 11);
  await page.locator(".reading input[type=search]").fill("nothing");
  await settle(page);
  assert.ok(await page.locator(`${CKA} .none`).isVisible());
  await check();
});

test("long names are shortened from the front, differ, and do not overlap in keys", async () => {
  const { page, check } = await opened(wide());
  const names = await page.locator(`${CKA} .map h4`).allTextContents();
  assert.equal(new Set(names).size, 21);
  assert.ok(names.every((name) => /^….*block\d\d\.conv$/.test(name) && name.length <= 16), names.join(" "));
  await page.evaluate(() => document.querySelectorAll("details").forEach((fold) => (fold.open = true)));
  await settle(page);
  const overlaps = await page.evaluate(() => {
    const bad = [];
    for (const svg of document.querySelectorAll("svg")) {
      const boxes = [...svg.querySelectorAll("[data-key] text")].filter((text) => text.getClientRects().length).map((text) => [text.getBoundingClientRect(), text.textContent]);
      boxes.forEach(([a, name], k) => boxes.slice(k + 1).forEach(([b, other]) => {
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 1 && down > 0.35 * a.height) bad.push(`${name} over ${other}`);
      }));
    }
    return bad;
  });
  assert.deepEqual(overlaps, []);
  await check();
});

test("a difference of two sets or of two layers has its own colors and says both values", async () => {
  const { page, check } = await opened(small());
  const list = page.locator(`${CKA} select`);
  await list.selectOption({ label: "debiased linear CKA, train-clean" });
  await settle(page);
  assert.match(await page.locator(`${CKA} .scale`).textContent(), /^−1\.001\.00difference/);
  const stage = page.locator(`${CKA} .stage`).last();
  await stage.scrollIntoViewIfNeeded();
  await stage.hover({ position: { x: 60, y: 60 } });
  assert.match(await page.locator("#tip").textContent(), /fc: [−0-9.]+ \(debiased linear CKA, test\) − [−0-9.]+ \(debiased linear CKA, train-clean\)/);
  await list.selectOption("layer fc");
  await settle(page);
  const names = await page.locator(`${CKA} .map h4`).allTextContents();
  assert.ok(!names.includes("fc") && names.length > 1);
  await check();
});

test("measures and examples are chosen by what they are", async () => {
  const { page, check } = await opened(small());
  const legends = (kind) => page.locator(`[data-maps=${kind}] legend`).allTextContents();
  assert.deepEqual(await legends("cka"), ["examples"]);
  assert.deepEqual(await legends("drs"), ["measure"]);
  const before = await picture(page, "[data-maps=drs] .map canvas");
  await pick(page, "[data-maps=drs]", "DRS, Cohen’s κ");
  await settle(page);
  assert.notEqual(await picture(page, "[data-maps=drs] .map canvas"), before);
  await check();
});

test("a map fills the window, shows its neighbors and closes by Escape", async () => {
  const { page, check } = await opened(small());
  await page.locator(`${CKA} .enlarge`).first().click();
  await settle(page);
  const dialog = page.locator("dialog.enlarged");
  assert.ok(await dialog.isVisible());
  const width = await dialog.locator("canvas").evaluate((one) => one.clientWidth);
  assert.ok(width > 600, `${width}`);
  assert.equal(await dialog.locator("h2").textContent(), "relu1");
  await page.keyboard.press("PageDown");
  await settle(page);
  assert.notEqual(await dialog.locator("h2").textContent(), "relu1");
  await dialog.getByLabel("previous layer").click();
  await settle(page);
  assert.equal(await dialog.locator("h2").textContent(), "relu1");
  await dialog.locator(".stage").focus();
  await page.keyboard.press("ArrowLeft");
  await settle(page);
  assert.match(await dialog.locator(".words").textContent(), /^epoch .*: /);
  await page.keyboard.press("Escape");
  await settle(page);
  assert.ok(await dialog.isHidden());
  await check();
});

test("a click on a name in a key leaves that layer alone, everywhere, and back", async () => {
  const { page, check } = await opened(small());
  const key = page.locator(".slices [data-key=fc]").first();
  await key.focus();
  await page.keyboard.press("Enter");
  const state = () => page.evaluate(() => ["fc", "relu1"].map((name) => [...document.querySelectorAll(`[data-of="${name}"]`)].map((one) => one.classList.contains("faded"))));
  const [own, other] = await state();
  assert.ok(own.length > 3 && own.every((faded) => !faded) && other.every((faded) => faded));
  assert.equal(await key.getAttribute("aria-pressed"), "true");
  await page.keyboard.press(" ");
  assert.ok((await state()).flat().every((faded) => !faded));
  for (const panel of ["#probes", "#panel-ridges", "#panel-phase-bars"]) {
    assert.ok((await page.locator(`${panel} [data-of=relu1]`).count()) > 0, panel);
    await page.locator(`${panel} [data-key=fc]`).first().click();
    assert.ok((await state())[1].every((faded) => faded), panel);
    await page.locator(`${panel} [data-key=fc]`).first().click();
    assert.ok((await state()).flat().every((faded) => !faded), panel);
  }
  await check();
});

test("regions follow the cursor, by layer and by triplet, beside the output", async () => {
  const { page, check } = await opened(small(), { hash: "#epoch=0" });
  const viewer = page.locator("#viewer");
  await viewer.scrollIntoViewIfNeeded();
  await settle(page);
  const { epochs, regions } = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent));
  assert.deepEqual(regions.epochs, epochs, "there are regions of every checkpoint");
  const shots = () => pictures(viewer.locator("canvas"));
  const first = await shots();
  assert.match((await viewer.locator("figcaption").allTextContents()).join(" "), /^relu1, epoch 0 output, epoch 0$/);
  await viewer.locator("select").first().selectOption("fc");
  await settle(page);
  const other = await shots();
  assert.notEqual(other[0], first[0]);
  assert.equal(other[1], first[1]);
  await viewer.locator("select").last().selectOption("1");
  await settle(page);
  assert.notEqual((await shots())[1], first[1]);
  await page.locator("#epoch").focus();
  await page.keyboard.press("End");
  await settle(page);
  assert.match(await viewer.locator("figcaption").first().textContent(), /^fc, epoch 30$/);
  assert.notEqual((await shots())[1], other[1]);
  await check();
});

test("the folded explanations open", async () => {
  const { page, check } = await opened(small());
  await page.getByText("How to read a map", { exact: true }).click();
  assert.ok(await page.locator("#panel-reading-maps svg").isVisible());
  assert.match(await page.locator("#panel-reading-maps svg").textContent(), /two blocks: before the jump/);
  await check();
});

test("a narrow page does not scroll sideways and its controls work", async () => {
  for (const path of [small(), wide()]) {
    const { page, check } = await opened(path, { width: 400, scheme: "dark" });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 400);
    await pick(page, ".reading", "linear");
    await page.locator(`${CKA} .enlarge`).first().click();
    await settle(page);
    assert.ok(await page.locator("dialog.enlarged canvas").isVisible());
    await page.locator("dialog.enlarged").getByText("close").click();
    await check();
  }
});

test("numbers and words of the page are not broken across lines", async () => {
  const { page, check } = await opened(small(), { width: 400 });
  const broken = await page.evaluate(() => {
    const bad = [];
    const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (node.parentElement.closest("svg, script, .long")) continue;
      for (const { 0: word, index } of node.data.matchAll(/[\p{L}\p{N}.,]+/gu)) {
        const range = document.createRange();
        range.setStart(node, index);
        range.setEnd(node, index + word.length);
        const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
        if (lines.size > 1) bad.push(word);
      }
    }
    return bad;
  });
  assert.deepEqual(broken, []);
  await check();
});
