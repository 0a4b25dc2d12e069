"use strict";
// Draws each sample's points in step with its video, and moves a cursor over its sound and its music features.

const FIGURE = JSON.parse(document.querySelector("main").dataset.figure);
const over = document.getElementById("over");
const SIDE = 768; // longer side of a skeleton, whatever the video's
const THICK = 3;
const colour = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;

/** Undo m2p_pictures.pack_points: {x, y (quarter pixels), confidence (0-255)}, each value of point k in frame t at k * frames + t. */
async function unpack(text, frames, count) {
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const values = frames * count;
  const places = (first) => {
    const found = new Int16Array(values);
    for (let index = 0; index < values; index += 1) {
      const step = bytes[first + index] | (bytes[first + values + index] << 8);
      found[index] = (index % frames ? found[index - 1] : 0) + step;
    }
    return found;
  };
  const confidence = new Uint8Array(values);
  for (let index = 0; index < values; index += 1) {
    confidence[index] = (index % frames ? confidence[index - 1] : 0) + bytes[4 * values + index];
  }
  return { x: places(0), y: places(2 * values), confidence };
}

/** Draw frame t of the points: the less sure one is, the fainter; unseen ones are not drawn. */
function drawPoints(context, points, frames, count, t, thick) {
  const at = (k) => k * frames + t;
  const place = (k) => [points.x[at(k)] / FIGURE.scale, points.y[at(k)] / FIGURE.scale];
  context.lineWidth = thick;
  context.lineCap = "round";
  for (const [first, second, paint] of count === FIGURE.dots.length ? FIGURE.bones : []) {
    const sure = Math.min(points.confidence[at(first)], points.confidence[at(second)]);
    if (sure) {
      context.globalAlpha = sure / 255;
      context.strokeStyle = colour(paint);
      context.beginPath();
      context.moveTo(...place(first));
      context.lineTo(...place(second));
      context.stroke();
    }
  }
  for (let k = 0; k < count; k += 1) {
    const [small, paint] = FIGURE.dots[k] ?? [true, [255, 255, 255]];
    if (points.confidence[at(k)]) {
      context.globalAlpha = points.confidence[at(k)] / 255;
      context.fillStyle = colour(paint);
      context.beginPath();
      context.arc(...place(k), small ? 0.7 * thick : 1.3 * thick, 0, 2 * Math.PI);
      context.fill();
    }
  }
  context.globalAlpha = 1;
}

function setUp(card) {
  const video = card.querySelector("video");
  const canvas = card.querySelector("canvas");
  const cursor = card.querySelector(".cursor");
  const told = card.querySelector("output");
  const fps = Number(card.dataset.fps);
  const seconds = Number(card.dataset.seconds);
  const frames = Number(card.dataset.poses);
  const count = Number(card.dataset.keypoints);
  const zoom = canvas ? SIDE / Math.max(canvas.width, canvas.height) : 1;
  let points = null;
  let now = 0;

  function show(time) {
    now = time;
    const t = Math.floor(time * fps + 0.05); // a picture's own time may be a microsecond early
    if (cursor) cursor.style.left = `${Math.min(100, (100 * time) / seconds)}%`;
    if (told) told.value = `${time.toFixed(2)} s, picture ${t + 1}` + (points && t >= frames ? ": no pose" : "");
    if (!canvas || !points) return;
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#10151c";
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (over.checked && video && video.readyState >= 2) context.drawImage(video, 0, 0, canvas.width, canvas.height);
    context.setTransform(zoom, 0, 0, zoom, 0, 0);
    if (t < frames) drawPoints(context, points, frames, count, t, THICK / zoom);
    canvas.dataset.drawn = t;
  }

  async function open() {
    if (video) video.preload = "metadata"; // its first picture, no more
    if (canvas) {
      points = await unpack(canvas.dataset.points, frames, count);
      canvas.removeAttribute("data-points");
      [canvas.width, canvas.height] = [zoom * canvas.width, zoom * canvas.height];
    }
    show(now);
  }

  if (video) {
    if ("requestVideoFrameCallback" in video) {
      const next = (_, picture) => {
        show(picture.mediaTime);
        video.requestVideoFrameCallback(next);
      };
      video.requestVideoFrameCallback(next);
    } else {
      video.addEventListener("timeupdate", () => show(video.currentTime));
    }
    video.addEventListener("seeked", () => show(video.currentTime));
    video.addEventListener("play", () => {
      for (const other of document.querySelectorAll("video")) if (other !== video) other.pause();
    });
    for (const track of card.querySelectorAll(".track")) {
      track.addEventListener("click", (event) => {
        const box = track.getBoundingClientRect();
        video.currentTime = Math.max(0, ((event.clientX - box.left) / box.width) * seconds);
      });
    }
  }
  over.addEventListener("change", () => show(now));
  return open;
}

const opens = new Map([...document.querySelectorAll("article")].map((card) => [card, setUp(card)]));
const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        watcher.unobserve(entry.target);
        opens.get(entry.target)();
      }
    }
  },
  { rootMargin: "600px" },
);
for (const card of opens.keys()) watcher.observe(card);
