"use strict";
// The viewer of a page. Everything it needs lies in the page; NiiVue is unpacked when somebody opens it.

const page = {
  content: JSON.parse(document.getElementById("viewer-content").textContent),
  dialog: document.getElementById("viewer"),
  views: [], // of the scans, beside each other
  chosen: -1, // in the list of lesions
  outlined: true,
  ready: null,
};

async function unpacked(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
}

async function start() {
  const script = document.createElement("script");
  script.textContent = await (await unpacked(document.getElementById("niivue").textContent)).text();
  document.head.append(script);
  for (const scan of page.content.scans) page.views.push(await makeView(scan));
  for (const { niivue: one } of page.views) {
    one.broadcastTo(page.views.map((view) => view.niivue).filter((other) => other !== one), { "2d": true, cal_min: true, cal_max: true });
  }
}

async function makeView(scan) {
  const figure = document.createElement("figure");
  figure.innerHTML = "<figcaption></figcaption><div><canvas></canvas><canvas></canvas></div>";
  figure.firstChild.textContent = scan.title;
  page.dialog.querySelector(".scans").append(figure);
  const [canvas, over] = figure.querySelectorAll("canvas");
  const viewer = new niivue.Niivue({
    backColor: [0.02, 0.03, 0.04, 1],
    crosshairWidth: 0, // it would run through the lesion
    isRadiologicalConvention: true,
    sagittalNoseLeft: true,
    multiplanarShowRender: niivue.SHOW_RENDER.NEVER,
    dragAndDropEnabled: false,
    clipPlaneHotKey: "",
    cycleClipPlaneHotKey: "",
    viewModeHotKey: "",
    logLevel: "error",
    loadingText: "",
  });
  await viewer.attachToCanvas(canvas);
  const white = page.content.white;
  viewer.addVolume(
    await niivue.NVImage.loadFromBase64({ base64: scan.voxels, name: "scan.nii.gz", colormap: "gray", cal_min: 0, cal_max: white })
  );
  const bytes = await (await unpacked(scan.labels)).arrayBuffer();
  const view = { niivue: viewer, over, labels: scan.bytes === 1 ? new Uint8Array(bytes) : new Uint16Array(bytes) };
  const draw = viewer.drawScene.bind(viewer);
  viewer.drawScene = () => {
    draw();
    drawOver(view);
  };
  viewer.drawScene();
  return view;
}

// Crosshair, outlines and numbers of the lesions that the slices show, over NiiVue's picture.
function drawOver({ niivue: viewer, over, labels }) {
  over.width = viewer.canvas.width;
  over.height = viewer.canvas.height;
  if (!viewer.volumes.length) return;
  const drawing = over.getContext("2d");
  const { dims, affine } = viewer.volumes[0].hdr;
  const size = dims.slice(1, 4);
  const step = [1, size[0], size[0] * size[1]];
  const edge = affine[0][0];
  const corner = [0, 1, 2].map((axis) => affine[axis][3] - edge / 2);
  const here = viewer.frac2mm(viewer.scene.crosshairPos);
  for (const tile of viewer.screenSlices) {
    const [u, v, w] = [[0, 1, 2], [0, 2, 1], [1, 2, 0]][tile.axCorSag]; // across, up and through the slice
    const [left, top, width, height] = tile.leftTopWidthHeight; // a mirrored slice has a negative width
    const across = (mm) => left + ((mm - tile.leftTopMM[0]) / tile.fovMM[0]) * width;
    const down = (mm) => top + (1 - (mm - tile.leftTopMM[1]) / tile.fovMM[1]) * height;
    drawCrosshair(drawing, across(here[u]), down(here[v]), [left, left + width].sort((a, b) => a - b), [top, top + height]);
    const slice = Math.floor((here[w] - corner[w]) / edge);
    if (!page.outlined || slice < 0 || slice >= size[w]) continue;
    const plane = { columns: size[u], rows: size[v], at: (i, j) => labels[i * step[u] + j * step[v] + slice * step[w]] };
    const point = (i, j) => [across(corner[u] + i * edge), down(corner[v] + j * edge)];
    for (const [label, lines] of outlines(plane)) drawLesion(drawing, label - 1, lines.map(([a, b]) => [...point(...a), ...point(...b)]));
  }
}

function drawCrosshair(drawing, x, y, [left, right], [top, bottom]) {
  const gap = 14 * (window.devicePixelRatio || 1);
  drawing.strokeStyle = "#4dd9ff";
  drawing.lineWidth = window.devicePixelRatio || 1;
  drawing.beginPath();
  for (const [from, to] of [[left, x - gap], [x + gap, right]]) if (from < to) drawing.moveTo(from, y), drawing.lineTo(to, y);
  for (const [from, to] of [[top, y - gap], [y + gap, bottom]]) if (from < to) drawing.moveTo(x, from), drawing.lineTo(x, to);
  drawing.stroke();
}

// Edges between voxels of different labels, from corner to corner, by label.
function outlines({ columns, rows, at }) {
  const lines = new Map();
  const add = (label, from, to) => {
    if (!label) return;
    if (!lines.has(label)) lines.set(label, []);
    lines.get(label).push([from, to]);
  };
  for (let j = 0; j <= rows; j++) {
    for (let i = 0; i <= columns; i++) {
      const own = i < columns && j < rows ? at(i, j) : 0;
      const before = i && j < rows ? at(i - 1, j) : 0;
      const below = j && i < columns ? at(i, j - 1) : 0;
      if (own !== before) for (const label of [own, before]) add(label, [i, j], [i, j + 1]);
      if (own !== below) for (const label of [own, below]) add(label, [i, j], [i + 1, j]);
    }
  }
  return lines;
}

function drawLesion(drawing, index, lines) {
  const lesion = page.content.lesions[index];
  const pixel = window.devicePixelRatio || 1;
  drawing.strokeStyle = lesion.colour;
  drawing.lineWidth = (index === page.chosen ? 2.5 : 1.5) * pixel;
  drawing.setLineDash(lesion.possible ? [4 * pixel, 3 * pixel] : []);
  drawing.beginPath();
  for (const [x, y, x2, y2] of lines) {
    drawing.moveTo(x, y);
    drawing.lineTo(x2, y2);
  }
  drawing.stroke();
  drawing.setLineDash([]);
  drawing.font = `600 ${13 * pixel}px sans-serif`;
  drawing.lineWidth = 3 * pixel;
  drawing.lineJoin = "round";
  drawing.strokeStyle = "#000";
  drawing.fillStyle = "#fff";
  const place = [Math.max(...lines.flatMap(([x, , x2]) => [x, x2])) + 3 * pixel, Math.min(...lines.flatMap(([, y, , y2]) => [y, y2])) - 2 * pixel];
  const text = lesion.number + (lesion.possible ? "?" : "");
  drawing.strokeText(text, ...place);
  drawing.fillText(text, ...place);
}

function redraw() {
  for (const view of page.views) view.niivue.drawScene();
}

// Brings the slices of all scans to a lesion of the list.
function choose(index) {
  const lesion = page.content.lesions[index];
  if (!lesion) return;
  page.chosen = index;
  page.dialog.querySelectorAll("li[data-index]").forEach((row) => row.classList.toggle("chosen", +row.dataset.index === index));
  page.dialog.querySelector("li.chosen").scrollIntoView({ block: "nearest" });
  for (const view of page.views) view.niivue.scene.crosshairPos = view.niivue.mm2frac(lesion.centre);
  redraw();
}

async function openViewer(index) {
  if (!page.dialog.open) page.dialog.showModal();
  page.ready ??= start();
  await page.ready;
  choose(index);
}

function fillList() {
  const list = page.dialog.querySelector("ol");
  page.content.lesions.forEach((lesion, index) => {
    if (lesion.possible && !page.content.lesions[index - 1]?.possible) {
      const heading = document.createElement("li");
      heading.className = "heading";
      heading.textContent = "Possible lesions, not counted";
      list.append(heading);
    }
    const row = document.createElement("li");
    row.dataset.index = index;
    row.innerHTML = "<b></b><span></span><span></span>";
    row.children[0].textContent = lesion.number;
    row.children[0].style.borderColor = lesion.colour;
    row.children[1].textContent = lesion.name;
    row.children[2].textContent = `${lesion.size.toFixed(0)} mm³`;
    row.addEventListener("click", () => choose(index));
    list.append(row);
  });
}

function onKey(event) {
  if (event.key === "ArrowDown") choose(page.chosen + 1);
  else if (event.key === "ArrowUp") choose(page.chosen - 1);
  else if (event.key.toLowerCase() === "o") {
    page.outlined = !page.outlined;
    redraw();
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

function canShow() {
  return "DecompressionStream" in window && Boolean(document.createElement("canvas").getContext("webgl2"));
}

if (canShow()) {
  fillList();
  const opening = document.querySelector(".opening");
  opening.hidden = false;
  opening.querySelector("button").addEventListener("click", () => openViewer(Math.max(page.chosen, 0)));
  page.dialog.addEventListener("keydown", onKey, true);
  page.dialog.querySelector("header button").addEventListener("click", () => page.dialog.close());
  document.documentElement.classList.add("viewable");
  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-lesion]");
    if (row) openViewer(+row.dataset.lesion);
  });
}
