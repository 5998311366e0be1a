/** Options too long for fsconfig(2), which takes values of up to 255 bytes. */

/** @see fsconfig(2): FSCONFIG_SET_STRING */
const MOST_BYTES = 255

/** True if fsconfig(2) can take all of them. */
export function fitsConfig(source: string, data: readonly string[]): boolean {
  return [source, ...data].every(
    (text) => Buffer.byteLength(text.slice(text.indexOf('=') + 1)) <= MOST_BYTES,
  )
}

/**
 * Overlay options with one `lowerdir+` (or `datadir+`) a layer in place of the one long `lowerdir`:
 * only each layer then has to fit.
 *
 * @see Documentation/filesystems/overlayfs.rst (Linux 6.8)
 */
export function spreadLayers(data: readonly string[]): string[] {
  return data.flatMap((word) => {
    if (!word.startsWith('lowerdir=')) return [word]
    const [layers = '', ...dataOnly] = word.slice('lowerdir='.length).split('::')
    return [
      ...splitAtColons(layers).map((layer) => `lowerdir+=${layer}`),
      ...dataOnly.map((layer) => `datadir+=${withoutEscapes(layer)}`),
    ]
  })
}

/** A colon that belongs to a name has a backslash before it. */
function splitAtColons(layers: string): string[] {
  return (layers.match(/(?:\\.|[^:\\])+/gs) ?? []).map(withoutEscapes)
}

function withoutEscapes(layer: string): string {
  return layer.replace(/\\(.)/gs, '$1')
}
