// The runs whose pages are tested: made by the program in a folder of its own, once.
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { npy, npz } from "./npy.js";
import { PAYLOADS } from "./payloads.js";

const program = resolve(process.env.STRATAGRAM ?? "../../target/release/stratagram");
export const folder = resolve(process.env.STRATAGRAM_PAGES ?? "../../target/browser");
mkdirSync(folder, { recursive: true });

const stratagram = (...words) => execFileSync(program, words, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
const page = (run) => join(folder, run, "report", "index.html");

// Makes a run unless it is there, and writes its page again: that is what is tested.
const once = (name, make) => {
  if (!existsSync(join(folder, name))) {
    rmSync(join(folder, "unfinished"), { recursive: true, force: true });
    make("unfinished");
    renameSync(join(folder, "unfinished"), join(folder, name));
  }
  stratagram("report", name, "--force");
  return page(name);
};

// A small net with everything that a page shows: groups, probes, regions, findings.
export const small = () =>
  once("small", (out) => {
    const settings = ["data.kind=digits", "data.n_train=200", "noise.kind=iid", "noise.rate=0.2", "net.kind=cnn5", "net.width=4", "train.epochs=30"];
    const analysis = ["analysis.layers=[relu1,pool2,pool4,fc]", "analysis.n_examples=64", "analysis.drs.triplets=6", "analysis.drs.resolution=10", "analysis.probe.l2_also=[0.01]"];
    stratagram("run", ...settings, ...analysis, "--out", out);
  });

// Saved activations of layers at epochs: each layer moves from one random set of features to
// another that is a little like it, later the deeper it is.
const activations = (name, layers, epochs) => {
  const [examples, features] = [24, 6];
  const noise = random(1);
  const ends = layers.map(() => [0, 1].map(() => Array.from({ length: examples * features }, noise)));
  mkdirSync(join(folder, name), { recursive: true });
  for (const epoch of epochs) {
    const arrays = layers.map((layer, l) => {
      const done = 1 / (1 + Math.exp(6 + (2 * l) / layers.length - 3 * Math.log1p(epoch)));
      const values = ends[l][0].map((from, k) => from + done * (ends[l][1][k] - 0.4 * from) + 0.05 * noise());
      return [layer, npy([examples, features], values)];
    });
    writeFileSync(join(folder, name, `epoch-${epoch}.npz`), npz(arrays));
  }
};

// 21 layers × 60 checkpoints, with error curves.
export const wide = () =>
  once("wide", (out) => {
    const layers = Array.from({ length: 21 }, (_, k) => `backbone.encoder.block${String(k).padStart(2, "0")}.conv`);
    const epochs = Array.from({ length: 60 }, (_, k) => (k < 20 ? k : Math.round(20 * 1.08 ** (k - 20)) + k - 20));
    activations("wide-saved", layers, epochs);
    const error = (epoch) => 0.1 + 0.8 * Math.exp(-epoch / 3) + 0.08 * Math.exp(-((Math.log1p(epoch) - 3) ** 2));
    const rows = epochs.map((epoch) => `${epoch},${Math.max(0, 0.8 * Math.exp(-epoch / 6) - 0.001)},${error(epoch)}`);
    writeFileSync(join(folder, "wide.csv"), "epoch,train_error,test_error\n" + rows.join("\n") + "\n");
    stratagram("import", "--activations", "wide-saved", "--history", "wide.csv", "--out", out);
    stratagram("analyze", out);
  });

// Two optimizers of two seeds, whose comparison `sweep` writes.
export const arms = () => {
  const text = `experiment = "arms-base.toml"
[axes]
seed = "0..1"
[axes.optimizer]
sgd = { "optimizer.kind" = "sgd", "optimizer.lr" = 0.05 }
adam = { "optimizer.kind" = "adam", "optimizer.lr" = 0.003 }
`;
  const base = `data = { kind = "digits", n_train = 100 }
noise = { rate = 0.2 }
net = { kind = "cnn5", width = 2 }
train = { epochs = 30 }
analysis = { n_examples = 32, layers = ["relu1", "pool4", "fc"], drs = { triplets = 4, resolution = 8 } }
`;
  writeFileSync(join(folder, "arms.toml"), text);
  writeFileSync(join(folder, "arms-base.toml"), base);
  stratagram("sweep", "arms.toml", "--jobs", "2", "--out", "arms");
  return join(folder, "arms", "comparison", "index.html");
};

// Two nets with other layers and other checkpoints.
export const nets = () => {
  const common = ["data.kind=digits", "data.n_train=64", "net.width=2", "train.epochs=8", "analysis.n_examples=24", "analysis.drs.triplets=3", "analysis.drs.resolution=6"];
  if (!existsSync(join(folder, "nets"))) {
    rmSync(join(folder, "unfinished"), { recursive: true, force: true });
    stratagram("run", "net.kind=cnn5", "train.checkpoints=[0,1,2,3,5,8]", ...common, "--out", "unfinished/cnn5");
    stratagram("run", "net.kind=resnet18", "train.checkpoints=[0,1,2,4,6,7,8]", ...common, "--out", "unfinished/resnet18");
    renameSync(join(folder, "unfinished"), join(folder, "nets"));
  }
  stratagram("compare", "nets/cnn5", "nets/resnet18", "--out", "nets-compared");
  return join(folder, "nets-compared", "index.html");
};

// Arms and layers whose names are payloads.
export const hostileArms = () => {
  hostile();
  const names = ["hostile", "small"].map((run) => JSON.stringify(PAYLOADS.join(" ") + run));
  const text = `differ = "*"\n[arms]\n${names[0]} = "hostile"\n${names[1]} = "small"\n[[statements]]\nid = "fall"\nplus = ${names[0]}\n`;
  writeFileSync(join(folder, "hostile-arms.toml"), text);
  stratagram("compare", "hostile-arms.toml", "--out", "hostile-compared");
  return join(folder, "hostile-compared", "index.html");
};

// What could run if a name were taken for markup: as names of layers, as texts of run.json of trained and of
// recorded runs. The program writes no such names; these runs came from somewhere else.
export const hostile = () => [hostileNames(), hostileTexts(), hostileRecording()];
// No file's name has a slash.
export const HOSTILE_LAYERS = PAYLOADS.map((text) => text.replaceAll("/", "\u2215"));
const copyOfSmall = (out) => {
  small();
  cpSync(join(folder, "small"), join(folder, out), { recursive: true });
  // What is changed on purpose has no checksums.
  rmSync(join(folder, out, "checksums"), { recursive: true });
  return (name) => join(folder, out, name);
};

const hostileNames = () =>
  once("hostile", (out) => {
    const place = copyOfSmall(out);
    for (const file of ["matrices/cka/test/fc.npy", "matrices/drs/test/fc.npy", "regions/fc.npz"]) {
      for (const layer of HOSTILE_LAYERS) copyFileSync(place(file), place(file.replace("fc.", () => layer + ".")));
    }
    for (const table of ["matrices.csv", "probes.csv", "geometry.csv", "curves.csv", "convergence.csv"]) {
      const rows = readFileSync(place(table), "utf8").split("\n");
      const own = rows.filter((row) => row.startsWith("fc,"));
      const copies = HOSTILE_LAYERS.flatMap((layer) => own.map((row) => `"${layer.replaceAll('"', '""')}"` + row.slice(2)));
      writeFileSync(place(table), [...rows.filter((row) => row), ...copies, ""].join("\n"));
    }
    const findings = JSON.parse(readFileSync(place("findings.json"), "utf8"));
    const own = findings.layers.filter(({ layer }) => layer === "fc");
    findings.layers.push(...HOSTILE_LAYERS.flatMap((layer) => own.map((found) => ({ ...found, layer, reason: layer, se_reason: layer }))));
    writeFileSync(place("findings.json"), JSON.stringify(findings));
  });

const hostileTexts = () =>
  once("hostile-texts", (out) => {
    const place = copyOfSmall(out);
    const run = JSON.parse(readFileSync(place("run.json"), "utf8"));
    delete run.checksum;
    const all = PAYLOADS.join(" ");
    Object.assign(run, { status: "failed", message: all, data: all, device: all, git: all, stratagram: all, data_sha256: all });
    run.fork = { run: all, epoch: 1, step: 2, checkpoint_sha256: all };
    writeFileSync(place("run.json"), JSON.stringify(run));
  });

// What a script told a recorder of its model and settings.
const hostileRecording = () =>
  once("hostile-recording", (out) => {
    activations("hostile-saved", ["a", "b"], [0, 1, 2, 3, 5, 8, 12, 20]);
    stratagram("import", "--activations", "hostile-saved", "--out", out);
    stratagram("analyze", out);
    const place = join(folder, out, "run.json");
    const run = JSON.parse(readFileSync(place, "utf8"));
    delete run.checksum;
    const all = PAYLOADS.join(" ");
    Object.assign(run, { model: all, stratagram: all, created: all, settings: { [all]: all } });
    writeFileSync(place, JSON.stringify(run));
    rmSync(join(folder, out, "checksums"), { recursive: true });
  });

// Numbers between −1 and 1 that are the same every time.
const random = (seed) => {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
};
