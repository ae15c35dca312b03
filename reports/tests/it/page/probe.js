// Opens everything that is folded, looks, and leaves what it saw on the root element of the page around.
addEventListener("load", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  const root = document.documentElement;

  const channels = (color) => color.match(/[\d.]+/g).slice(0, 3).map(Number);
  // Relative luminance and contrast as WCAG 2.2 defines them.
  const luminance = (color) => {
    const [r, g, b] = channels(color).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = luminance(getComputedStyle(document.body).backgroundColor);
  const contrast = (color) => {
    const [light, dark] = [luminance(color), ground].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const least = (selector, property) =>
    Math.min(...[...document.querySelectorAll(selector)].map((element) => contrast(getComputedStyle(element)[property])));

  const covered = [], cut = [];
  let smallestText = Infinity;
  const charts = [...document.querySelectorAll("svg[role=img]")];
  for (const chart of charts) {
    const frame = chart.getBoundingClientRect();
    const labels = [...chart.querySelectorAll("text")].map((text) => [text.textContent.trim(), text.getBoundingClientRect()]);
    const scale = frame.width / chart.viewBox.baseVal.width;
    for (const text of chart.querySelectorAll("text")) {
      smallestText = Math.min(smallestText, parseFloat(getComputedStyle(text).fontSize) * scale);
    }
    labels.forEach(([name, box], nth) => {
      if (box.left < frame.left - 1 || box.right > frame.right + 12 || box.bottom > frame.bottom + 2) cut.push(name);
      for (const [other, its] of labels.slice(nth + 1)) {
        const across = Math.min(box.right, its.right) - Math.max(box.left, its.left);
        const down = Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top);
        if (across > 0 && down > 2) covered.push(`${name} / ${other}`);
      }
    });
  }

  // Texts that reach out of their own box, where boxes stand side by side.
  const beyond = [...document.querySelectorAll(".tile, .legend, .notes, .panel")]
    .filter((box) => box.scrollWidth > box.clientWidth + 1)
    .map((box) => box.textContent.slice(0, 60));

  parent.document.documentElement.dataset.probe = JSON.stringify({
    scrollWidth: root.scrollWidth,
    clientWidth: root.clientWidth,
    requests: performance.getEntriesByType("resource").map((entry) => entry.name),
    charts: charts.length,
    covered: covered.slice(0, 10),
    cut: cut.slice(0, 10),
    beyond: beyond.slice(0, 10),
    smallestText,
    textContrast: Math.min(least(".chart text", "fill"), least("p, a, td, th, dt, figcaption", "color")),
    markContrast: least(".chart [fill^='#0']", "fill"),
    isDark: ground < 0.5,
  });
});
