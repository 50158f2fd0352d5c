// Decision regions at the epoch of the cursor: those of a layer beside those of the output.
const buildRegions = () => {
  const host = $("viewer");
  const regions = data.regions;
  if (!host || !regions) return;
  host.hidden = false;
  const head = make(host, "div", "controls");
  const view = { layer: regions.layers[0].name, plane: 0 };
  const names = regions.layers.map(({ name }) => [name, name]);
  const layers = list(head, "layer", (name) => choose(name, view.plane));
  const planes = list(head, "triplet", (plane) => choose(view.layer, Number(plane)));
  const play = button(head, "", "play", bar.play);
  play.setAttribute("aria-label", "play the regions through all checkpoints");
  const stage = make(host, "div", "pair");
  const panes = [make(stage, "figure"), make(stage, "figure")].map((figure) => {
    const caption = make(figure, "figcaption");
    const canvas = make(figure, "canvas");
    canvas.setAttribute("role", "img");
    return { caption, canvas, image: null, name: "" };
  });
  const key = make(host, "p", "scale");
  make(key, "span", "", regions.confidence ? "predicted class, paler where less certain:" : "predicted class:");
  for (const { index, color } of regions.classes) {
    const swatch = make(key, "span", "swatch");
    swatch.style.backgroundColor = color;
    make(key, "span", "", String(index));
  }
  const files = make(host, "p", "files");

  const choose = (layer, plane) => state.set("regions", plane + " " + layer);
  const fill = () => {
    const [plane, ...name] = state.get("regions").split(" ");
    const found = regions.layers.find((one) => one.name === name.join(" "));
    view.layer = (found || regions.layers[0]).name;
    view.plane = clamp(Math.floor(Number(plane)) || 0, 0, regions.planes.length - 1);
    layers.fill(names, view.layer);
    planes.fill(regions.planes.map(({ name: text }, k) => [String(k), text]), String(view.plane));
    const output = regions.layers.find(({ name: one }) => one === "output");
    const shown = [found || regions.layers[0], output];
    panes.forEach((pane, k) => {
      pane.canvas.parentElement.hidden = !shown[k] || (k === 1 && view.layer === "output");
      if (shown[k]) load(pane, shown[k]);
    });
    files.replaceChildren();
    const visible = () => panes.filter((pane) => !pane.canvas.parentElement.hidden);
    const title = slug(`regions-${view.layer}-${regions.planes[view.plane].name}`);
    offer(files, title, { svg: () => regionsSvg(visible(), view), csv: () => regionsCsv(visible(), view) });
  };
  const load = (pane, layer) => {
    pane.name = layer.name;
    pane.image = new Image();
    pane.image.addEventListener("load", update);
    pane.image.src = "data:image/png;base64," + layer.picture;
  };
  const update = () => panes.forEach((pane) => paintRegions(pane, view));
  state.on(["regions"], fill);
  state.follow(update);
  fill();
};

// The checkpoint with pictures that is nearest before the cursor.
const pictureAt = () => {
  const own = data.regions.epochs;
  const epoch = epochs[state.cursor().i];
  let k = 0;
  while (k + 1 < own.length && own[k + 1] <= epoch + 1e-9) k += 1;
  return k;
};

const paintRegions = ({ canvas, caption, image, name }, view) => {
  const { side, planes } = data.regions;
  const { width, height, images } = planes[view.plane];
  const k = pictureAt();
  caption.textContent = `${name}, epoch ${epochText(data.regions.epochs[k])}`;
  canvas.setAttribute("aria-label", `Decision regions of ${name} at epoch ${epochText(data.regions.epochs[k])}`);
  if (!image || !image.complete || !image.naturalWidth) return;
  const ratio = window.devicePixelRatio || 1;
  const size = 340 * ratio;
  canvas.width = Math.round(size * width);
  canvas.height = Math.round(size * height);
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.drawImage(image, view.plane * side, k * side, side, side, 0, 0, canvas.width, canvas.height);
  for (const disc of images) paintDisc(pen, disc, canvas, ratio);
};

const paintDisc = (pen, { x, y, label, color, wrong }, canvas, ratio) => {
  const [cx, cy] = [x * canvas.width, (1 - y) * canvas.height];
  const circle = (radius) => {
    pen.beginPath();
    pen.arc(cx, cy, radius * ratio, 0, 2 * Math.PI);
  };
  pen.lineWidth = 1.6 * ratio;
  if (wrong) {
    circle(12);
    pen.strokeStyle = "#16181d";
    pen.stroke();
  }
  circle(8.5);
  pen.fillStyle = color;
  pen.strokeStyle = "#ffffff";
  pen.fill();
  pen.stroke();
  pen.font = `600 ${10 * ratio}px sans-serif`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineWidth = 2.5 * ratio;
  pen.strokeStyle = "#16181d";
  pen.strokeText(String(label), cx, cy);
  pen.fillStyle = "#ffffff";
  pen.fillText(String(label), cx, cy);
};

const regionsSvg = (panes, view) => {
  const { width, height } = data.regions.planes[view.plane];
  const [wide, high] = [300 * width, 300 * height];
  const svg = sheet(panes.length * (wide + 16) + 16, high + 56);
  draw(svg, "text", { x: 16, y: 16, "font-size": 11, fill: PRINT.soft }, data.regions.planes[view.plane].name);
  panes.forEach(({ canvas, caption }, k) => {
    const x = 16 + k * (wide + 16);
    draw(svg, "text", { x, y: 34, "font-size": 12, "font-weight": 600, fill: PRINT.ink }, caption.textContent);
    draw(svg, "image", { x, y: 42, width: wide, height: high, href: canvas.toDataURL("image/png") });
  });
  return svg;
};

// Classes of the points, read from the picture's colors.
const regionsCsv = (panes, view) => {
  const { side, planes, classes } = data.regions;
  const { extent } = planes[view.plane];
  const k = pictureAt();
  const rows = panes.flatMap(({ image, name }) => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = side;
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(image, view.plane * side, k * side, side, side, 0, 0, side, side);
    const pixels = pen.getImageData(0, 0, side, side).data;
    const place = (at, [from, to]) => from + ((to - from) * at) / (side - 1);
    return Array.from({ length: side * side }, (_, at) => {
      const [column, row] = [at % side, Math.floor(at / side)];
      const found = readColor(pixels.slice(4 * at, 4 * at + 3), classes);
      return [name, data.regions.epochs[k], place(column, extent[0]), place(side - 1 - row, extent[1]), ...found];
    });
  });
  return csv([["layer", "epoch", "a", "b", "class", "confidence"], ...rows]);
};

// A color is its class's, mixed with white by the confidence.
const readColor = (pixel, classes) => {
  let best = ["", "", Infinity];
  for (const { index, color } of classes) {
    const own = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
    const weight = own.reduce((sum, c, k) => sum + (255 - pixel[k]) * (255 - c), 0) / own.reduce((sum, c) => sum + (255 - c) ** 2, 0);
    const miss = own.reduce((sum, c, k) => sum + (255 - weight * (255 - c) - pixel[k]) ** 2, 0);
    if (miss < best[2] - 1e-9) best = [index, Math.round(weight * 100) / 100, miss];
  }
  return best.slice(0, 2);
};
