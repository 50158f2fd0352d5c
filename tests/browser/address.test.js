// What a reader has chosen stands in the address, and an address shows what it says.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, pick, picture, settle } from "./browser.js";
import { small } from "./runs.js";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

const parts = (page) => page.evaluate(() => Object.fromEntries(new URLSearchParams(location.hash.slice(1))));

test("a link shows what its sender saw", async () => {
  const path = small();
  const one = await open(browser, path);
  const { page } = one;
  await pick(page, ".reading", "linear");
  await pick(page, ".reading", "all layers");
  await pick(page, ".reading", "phases");
  await page.locator(".reading input[type=search]").fill("pool* fc");
  await pick(page, "[data-maps=cka]", "train-clean");
  await page.locator("[data-maps=drs] select").selectOption("layer fc");
  await page.locator("#theme").click();
  await page.locator("[data-maps=cka] .stage").first().click({ position: { x: 100, y: 60 } });
  await settle(page);
  const said = await parts(page);
  assert.deepEqual({ ...said, cell: "" }, {
    cell: "", scale: "linear", range: "all", outlines: "phases", layers: "pool* fc", theme: "dark", cka: "debiased linear CKA, train-clean", "drs-minus": "layer fc",
  });
  assert.match(said.cell, /^[0-9.]+,[0-9.]+$/);
  const hash = await page.evaluate(() => location.hash);
  const shot = await picture(page, "[data-maps=cka] .map canvas");
  await page.mouse.move(2, 2);
  const words = await page.locator("#readout").textContent();
  const two = await open(browser, path, { hash });
  assert.equal(await picture(two.page, "[data-maps=cka] .map canvas"), shot);
  assert.equal(await two.page.evaluate(() => document.documentElement.dataset.theme), "dark");
  assert.equal(await two.page.locator("#readout").textContent(), words);
  assert.deepEqual(await parts(two.page), said);
  assert.deepEqual([...one.said, ...two.said], []);
  await one.close();
  await two.close();
});

test("an address typed into an open page is taken, nonsense is not", async () => {
  const { page, said, close } = await open(browser, small(), { hash: "#epoch=3&scale=linear" });
  assert.equal(await page.locator("#readout b").textContent(), "epoch 3");
  await page.evaluate(() => (location.hash = "#epoch=1e9&scale=sideways&range=%00&cka=no+such&layers=%3Cimg%3E&enlarged=cka+nobody&regions=99+x&at=nowhere"));
  await settle(page);
  assert.equal(await page.locator("#readout b").textContent(), "epoch 30");
  assert.ok(await page.locator("[data-maps=cka] .none").isVisible());
  await page.evaluate(() => (location.hash = ""));
  await settle(page);
  assert.ok((await page.locator("[data-maps=cka] .map").count()) > 3);
  assert.deepEqual(said, []);
  await close();
});

test("the list of contents goes to its sections and keeps the rest of the address", async () => {
  const { page, said, close } = await open(browser, small(), { hash: "#epoch=3" });
  const links = page.locator(".contents a");
  assert.ok((await links.count()) >= 6);
  for (const link of await links.all()) {
    const id = (await link.getAttribute("href")).slice(1);
    await link.click();
    await settle(page);
    assert.ok(await page.locator(`#${id}`).evaluate((target) => Math.abs(target.getBoundingClientRect().top) < innerHeight), id);
    assert.deepEqual(await parts(page), { epoch: "3", at: id });
  }
  assert.deepEqual(said, []);
  await close();
});
