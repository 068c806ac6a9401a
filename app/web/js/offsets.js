/**
 * From the service's offsets to the browser's.
 *
 * The service counts characters (Unicode code points); a JavaScript string counts UTF-16 units, so
 * an emoji is one there and two here. Every offset that crosses the wire goes through this.
 */

/** A function from an offset in characters to the index in `text`. */
export function unitsOf(text) {
  const wide = [];
  for (let unit = 0, character = 0; unit < text.length; unit += 1, character += 1) {
    if (text.codePointAt(unit) > 0xffff) {
      wide.push(character);
      unit += 1;
    }
  }
  return (offset) => Math.min(offset + before(wide, offset), text.length);
}

/** How many of the sorted numbers are less than `limit`. */
function before(sorted, limit) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
