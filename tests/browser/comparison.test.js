// The page of a comparison: what its controls do, what it says of nets with other layers and other
// checkpoints, its address, and what it saves.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { statSync } from "node:fs";
import { after, before, test } from "node:test";
import { launch, open, pick, picture, settle, violations } from "./browser.js";
import { arms, hostileArms, nets } from "./runs.js";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

const opened = async (path, options) => {
  const one = await open(browser, path, options);
  return { ...one, check: async () => {
    assert.deepEqual([...one.said, ...one.asked], []);
    await one.close();
  } };
};
const rows = (page) => page.locator(".atlas .row").allTextContents();
const see = async (page, selector) => {
  await page.locator(selector).first().scrollIntoViewIfNeeded();
  await settle(page);
};

test("settings, errors and maps of every run stand side by side", async () => {
  const { page, check } = await opened(arms());
  const heads = await page.locator("#settings .table").first().locator("thead th").allTextContents();
  assert.deepEqual(heads, ["setting", "optimizer-sgd", "optimizer-adam"]);
  const kinds = page.locator("#settings .table").first().locator("tr", { hasText: "optimizer.kind" });
  assert.match(await kinds.textContent(), /optimizer\.kind"sgd""adam"/);
  assert.match(await page.locator("#settings tr", { hasText: /^seed/ }).first().textContent(), /^seed0, 10, 1$/);
  assert.match(await page.locator("#settings summary").textContent(), /^\d+ settings are the same in all$/);
  assert.deepEqual(await rows(page), ["relu1", "pool4", "fc"]);
  assert.equal(await page.locator(".atlas .map").count(), 3 * 4);
  const names = await page.locator(".atlas .map h4").allTextContents();
  assert.deepEqual(names.slice(0, 4), ["optimizer-sgd, seed 0", "optimizer-sgd, seed 1", "optimizer-adam, seed 0", "optimizer-adam, seed 1"]);
  assert.equal(await page.locator("#errors .panel").count(), 2);
  await check();
});

test("one cursor goes through all maps and the curves of errors", async () => {
  const { page, check } = await opened(arms());
  await see(page, ".atlas .stage");
  const stage = page.locator(".atlas .stage").first();
  await stage.hover({ position: { x: 80, y: 80 } });
  await settle(page);
  assert.match(await page.locator("#tip").textContent(), /^[−0-9.]+epoch [0-9.]+ × epoch [0-9.]+relu1 · optimizer-sgd, seed 0 · .*, test$/);
  const marks = await page.locator(".atlas .map:nth-child(-n+5) .mark:first-of-type").evaluateAll((all) => all.map((one) => one.style.transform));
  assert.equal(new Set(marks.filter((mark) => mark)).size, 1);
  await stage.click({ position: { x: 80, y: 80 } });
  await settle(page);
  assert.match(await page.evaluate(() => location.hash), /cell=[0-9.]+%2C[0-9.]+/);
  await page.locator("#epoch").focus();
  await page.keyboard.press("Home");
  await settle(page);
  assert.match(await page.locator("#readout").textContent(), /^epoch 0.*optimizer-sgd: test error 0\.\d+.*optimizer-adam: test error 0\.\d+$/);
  assert.equal(await page.locator("#errors .cursor-line").count(), 2);
  await check();
});

test("measures, colors, epochs, means and layers are chosen, and a link keeps them", async () => {
  const path = arms();
  const { page, said, close } = await open(browser, path);
  await see(page, ".atlas .stage");
  const shot = () => picture(page, ".atlas .map canvas");
  const plain = await shot();
  for (const name of ["linear", "least to greatest of all", "DRS", "mean over seeds"]) {
    const before = await shot();
    await pick(page, "#maps", name);
    await see(page, ".atlas .stage");
    assert.notEqual(await shot(), before, name);
  }
  assert.deepEqual((await page.locator(".atlas .map h4").allTextContents()).slice(0, 2), ["optimizer-sgd, mean of 2 seeds", "optimizer-adam, mean of 2 seeds"]);
  await page.locator("#maps input[type=search]").fill("fc");
  await see(page, ".atlas .stage");
  assert.deepEqual(await rows(page), ["fc"]);
  const last = await shot();
  assert.notEqual(last, plain);
  const hash = await page.evaluate(() => location.hash);
  const two = await open(browser, path, { hash });
  await see(two.page, ".atlas .stage");
  assert.equal(await picture(two.page, ".atlas .map canvas"), last);
  await page.locator("#maps input[type=search]").fill("nobody");
  assert.ok(await page.locator("#maps .none").isVisible());
  assert.deepEqual([...said, ...two.said], []);
  await close();
  await two.close();
});

test("the mean is that of the seeds' numbers", async () => {
  const { page, check } = await opened(arms(), { hash: "#columns=arms" });
  const { sets, units } = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent));
  const own = sets[0].layers.filter(({ column, row }) => row === 0 && column < 2);
  const started = page.waitForEvent("download");
  await page.locator("#maps .files button", { hasText: "CSV" }).last().focus();
  await page.keyboard.press("Enter");
  const download = await started;
  assert.match(download.suggestedFilename(), /^maps-.*\.csv$/);
  const lines = (await readFile(await download.path(), "utf8")).trim().split("\n");
  assert.match(lines[0], /^layer,run,measure,epoch,other_epoch,value,se,reason$/);
  const cells = lines[2].match(/("[^"]*"|[^,]*)(,|$)/g).map((cell) => cell.replace(/,$/, ""));
  assert.equal(cells[1], '"optimizer-sgd, mean of 2 seeds"');
  assert.ok(Math.abs(Number(cells[5]) - (own[0].values[1] + own[1].values[1]) / 2 / units) < 1e-9);
  await check();
});

test("a name in the key leaves its arm alone, and a map fills the window", async () => {
  const { page, check } = await opened(arms());
  await page.locator('#errors [data-key="optimizer-adam"]').click();
  const faded = (name) => page.locator(`#errors [data-of="${name}"]`).evaluateAll((all) => all.map((one) => one.classList.contains("faded")));
  assert.deepEqual([await faded("optimizer-sgd"), await faded("optimizer-adam")], [[true, true], [false, false]]);
  await see(page, ".atlas .stage");
  await page.locator(".atlas .enlarge").first().click();
  await settle(page);
  const dialog = page.locator("dialog.enlarged");
  assert.equal(await dialog.locator("h2").textContent(), "relu1 · optimizer-sgd, seed 0");
  await page.keyboard.press("PageDown");
  await settle(page);
  assert.equal(await dialog.locator("h2").textContent(), "relu1 · optimizer-sgd, seed 1");
  await page.keyboard.press("Escape");
  await check();
});

test("nets with other layers and checkpoints are aligned by depth, nothing is interpolated", async () => {
  const { page, check } = await opened(nets());
  const found = await rows(page);
  assert.equal(found[0], "about 0 % of the depth");
  assert.equal(found.at(-1), "about 100 % of the depth");
  const names = await page.locator(".atlas .map h4").allTextContents();
  assert.deepEqual(names.slice(0, 2), ["relu1 · cnn5", "conv1 · resnet18"]);
  assert.match(await page.locator("#maps .caption").textContent(), /relative depth/);
  assert.match(await page.locator("#not-compared").textContent(), /different checkpoints/);
  const { times, epochs, sets, columns } = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent));
  assert.deepEqual(epochs, [...new Set(times.flat())].sort((a, b) => a - b));
  for (const { values, column } of sets[0].layers) assert.equal(values.length, (times[columns[column].time].length * (times[columns[column].time].length + 1)) / 2);
  // The cursor at an epoch that one net alone has goes to the other's nearest.
  await see(page, ".atlas .stage");
  const own = times[columns[0].time].find((epoch) => !times[columns[1].time].includes(epoch));
  await page.evaluate((epoch) => (location.hash = "#epoch=" + epoch), own);
  await settle(page);
  const at = (k) => page.locator(".atlas .map").nth(k).locator(".mark").first().evaluate((one) => one.style.transform);
  assert.ok((await at(0)) && (await at(1)));
  await check();
});

for (const [name, make] of [["arms", arms], ["nets", nets]]) {
  for (const scheme of ["light", "dark"]) {
    for (const width of [1400, 400]) {
      test(`axe-core finds nothing: ${name}, ${scheme}, ${width} px`, async () => {
        const { page, check } = await opened(make(), { scheme, width });
        await page.evaluate(() => document.querySelectorAll("details").forEach((fold) => (fold.open = true)));
        await see(page, ".atlas .stage");
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
        assert.deepEqual(await violations(page), []);
        await page.locator(".atlas .enlarge").first().click();
        await settle(page);
        assert.deepEqual(await violations(page), []);
        await check();
      });
    }
  }
}

test("every figure and table is saved under a name of its own", async () => {
  const { page, check } = await opened(arms());
  await page.evaluate(() => document.querySelectorAll("details").forEach((fold) => (fold.open = true)));
  await see(page, ".atlas .stage");
  const places = page.locator("main .saving");
  const labels = await places.locator("button").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")));
  assert.equal(new Set(labels).size, labels.length);
  const figures = await page.locator(".drawing svg, table").count();
  assert.equal(await places.count(), figures + 1, "and the maps");
  for (const part of ["#errors", "#exploratory figure", "#boundaries", "#settings .files", "#maps"]) {
    for (const format of ["SVG", "PNG", "CSV"]) {
      const started = page.waitForEvent("download");
      await page.locator(`${part} .saving button`, { hasText: format }).first().focus();
      await page.keyboard.press("Enter");
      const bytes = await readFile(await (await started).path());
      assert.ok(bytes.length > 60, `${part} ${format}`);
    }
  }
  await check();
});

test("printed from dark it is dark on white, with all maps", async () => {
  const { page, check } = await opened(arms(), { scheme: "dark" });
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  await settle(page);
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)");
  const blank = await page.locator(".atlas canvas").evaluateAll((all) => all.filter((one) => one.style.width === "" && !one.getContext("2d").getImageData(one.width >> 1, one.height >> 1, 1, 1).data[3]).length);
  assert.equal(blank, 0);
  for (const control of ["#cursor", "#maps .controls", ".enlarge"]) assert.ok(await page.locator(control).first().isHidden(), control);
  await check();
});

test("payloads as names are inert", async () => {
  const { page, said, asked, close } = await open(browser, hostileArms(), { hash: "#atlas=%3Cimg%20src=x%3E&columns=x&only=%22%3E&enlarged=atlas%20%3Cb%3E" });
  await page.evaluate(() => document.querySelectorAll("details").forEach((fold) => (fold.open = true)));
  await see(page, ".atlas .stage");
  for (const stage of (await page.locator(".atlas .stage").all()).slice(0, 12)) await stage.hover();
  for (const key of await page.locator("#errors [data-key]").all()) await key.dispatchEvent("click");
  await settle(page);
  assert.equal(await page.evaluate(() => window.P), undefined);
  assert.equal(await page.evaluate(() => document.querySelectorAll("script").length), 2);
  assert.equal(await page.evaluate(() => document.querySelectorAll("iframe, base, link, main img, foreignObject").length), 0);
  assert.deepEqual([...said, ...asked], []);
  await close();
});

test("the page is small and loads fast", async () => {
  for (const path of [arms(), nets()]) {
    assert.ok(statSync(path).size <= 8e6);
    const times = [];
    for (let k = 0; k < 3; k += 1) {
      const { page, close } = await open(browser, path);
      times.push(await page.evaluate(() => performance.getEntriesByType("navigation")[0].loadEventEnd));
      await close();
    }
    assert.ok(Math.min(...times) <= 1500, `${times}`);
  }
});
