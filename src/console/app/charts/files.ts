/** A chart as a file: SVG that stands alone, or PNG. */

const STYLES = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "stroke-linecap",
  "stroke-linejoin",
  "opacity",
  "font-family",
  "font-size",
  "font-weight",
  "text-anchor",
  "dominant-baseline",
  "paint-order",
]
const MARGIN = 16
const DENSITY = 2

/** The chart with the colours that it is shown in now, its title above. */
export function svgOf(chart: SVGSVGElement, title: string): string {
  const copy = chart.cloneNode(true) as SVGSVGElement
  const shown = [...chart.querySelectorAll<SVGElement>("*")]
  for (const [index, element] of [...copy.querySelectorAll<SVGElement>("*")].entries()) {
    const original = shown[index]
    if (!original) continue
    const styles = getComputedStyle(original)
    for (const name of STYLES) element.setAttribute(name, styles.getPropertyValue(name))
    element.removeAttribute("class")
  }
  for (const passing of copy.querySelectorAll("[data-passing]")) passing.remove()
  const { width, height } = chart.getBoundingClientRect()
  const page = getComputedStyle(document.body)
  const inner = new XMLSerializer().serializeToString(copy.childNodes.length ? wrapped(copy) : copy)
  const [w, h] = [width + 2 * MARGIN, height + 2 * MARGIN + 24]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${w}" height="${h}" fill="${page.backgroundColor}"/>`,
    `<text x="${MARGIN}" y="${MARGIN + 12}" fill="${page.color}" font-family="sans-serif" font-size="14" font-weight="600">${escaped(title)}</text>`,
    `<g transform="translate(${MARGIN} ${MARGIN + 24})">${inner}</g>`,
    "</svg>",
  ].join("\n")
}

function wrapped(copy: SVGSVGElement): SVGGElement {
  const group = document.createElementNS("http://www.w3.org/2000/svg", "g")
  group.append(...copy.childNodes)
  return group
}

export async function pngOf(chart: SVGSVGElement, title: string): Promise<Blob> {
  const image = new Image()
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgOf(chart, title))}`
  await image.decode()
  const canvas = document.createElement("canvas")
  canvas.width = image.width * DENSITY
  canvas.height = image.height * DENSITY
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height)
  return new Promise((done, failed) =>
    canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("The browser cannot draw this chart as PNG.")))),
  )
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
}
