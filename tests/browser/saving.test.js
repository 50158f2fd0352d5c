// Every figure and table is saved as SVG, PNG and CSV, under a name of its own.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { launch, open, settle } from "./browser.js";
import { small, wide } from "./runs.js";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

const saved = async (page, button) => {
  const label = await button.getAttribute("aria-label");
  const started = page.waitForEvent("download").catch(() => assert.fail(`${label}: nothing was saved`));
  // By the keyboard: a browser lets a page save many files only where a reader asks for each.
  await button.focus();
  await page.keyboard.press("Enter");
  const download = await started;
  return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
};

const checks = {
  svg: (bytes) => {
    const text = bytes.toString("utf8");
    assert.ok(text.startsWith("<svg") && text.includes('xmlns="http://www.w3.org/2000/svg"'));
    assert.ok(!/cursor-line|<script|class="panel"/.test(text));
  },
  png: (bytes) => {
    assert.equal(bytes.subarray(1, 4).toString("latin1"), "PNG");
    assert.ok(bytes.readUInt32BE(16) > 300, "at least 300 pixels wide");
  },
  csv: (bytes) => {
    const lines = bytes.toString("utf8").trim().split("\n");
    // A run may have no phase boundary.
    const mayBeEmpty = lines[0].startsWith("layer,kind,epoch,from,to");
    assert.ok(lines.length > 1 || mayBeEmpty, bytes.toString("utf8").slice(0, 200));
  },
};

test("what is saved has its format, and no two files one name", async () => {
  const { page, said, asked, close } = await open(browser, small());
  await page.evaluate(() => document.querySelectorAll("details").forEach((fold) => (fold.open = true)));
  await page.locator("#paths").scrollIntoViewIfNeeded();
  await settle(page);
  const names = new Set();
  for (const place of await page.locator(".saving").all()) {
    const formats = await place.locator("button").allTextContents();
    assert.deepEqual(formats, ["SVG", "PNG", "CSV"]);
    for (const button of await place.locator("button").all()) {
      const { name, bytes } = await saved(page, button);
      assert.ok(!names.has(name.toLowerCase()), `${name} twice`);
      names.add(name.toLowerCase());
      checks[name.split(".").pop()](bytes);
    }
  }
  const figures = await page.locator(".drawing svg:visible, table, .pair figure:visible").count();
  assert.ok(names.size >= 3 * 15 && names.size >= figures, `${names.size} files`);
  assert.deepEqual([...said, ...asked], []);
  await close();
});

test("a map's table has the page's numbers", async () => {
  const { page, close } = await open(browser, wide(), { hash: "#layers=*block00*" });
  const { name, bytes } = await saved(page, page.locator("[data-maps=cka] .saving button", { hasText: "CSV" }).last());
  assert.equal(name, "maps-debiased_linear_CKA_test.csv");
  const rows = bytes.toString("utf8").trim().split("\n").map((line) => line.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/));
  const data = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent));
  assert.equal(rows.length, 1 + data.sets[0].layers[0].values.length);
  rows.slice(1).forEach((row, k) => assert.equal(Math.round(10000 * Number(row[4])), data.sets[0].layers[0].values[k]));
  await close();
});
