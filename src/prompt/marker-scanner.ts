// Finds given texts in text that comes in pieces, however it is cut, and never hands on a part of one.

export interface MarkerScanner {
  /** What is certain after this piece: text, and markers in between. Text that may yet become a marker is kept. */
  push(piece: string): Found[];
  /** The rest: no marker came of it. */
  end(): Found[];
}

export type Found = { readonly text: string } | { readonly marker: string };

/** A scanner for these texts; of two that begin at one place the longer one is found. */
export function createMarkerScanner(markers: readonly string[]): MarkerScanner {
  const longestFirst = [...new Set(markers)].filter((marker) => marker !== "").sort((a, b) => b.length - a.length);
  const byFirst = new Map<string, string[]>();
  for (const marker of longestFirst) byFirst.set(marker[0], [...(byFirst.get(marker[0]) ?? []), marker]);
  let kept = "";

  const scan = (text: string, atEnd: boolean): Found[] => {
    const found: Found[] = [];
    let start = 0; // of the text that is not handed on yet
    let i = 0;
    for (; i < text.length; i++) {
      const candidates = byFirst.get(text[i]);
      if (!candidates) continue;
      const rest = text.length - i;
      if (!atEnd && candidates.some((marker) => marker.length > rest && text.endsWith(marker.slice(0, rest)))) break;
      const marker = candidates.find((marker) => text.startsWith(marker, i));
      if (marker === undefined) continue;
      if (i > start) found.push({ text: text.slice(start, i) });
      found.push({ marker });
      start = i + marker.length;
      i = start - 1;
    }
    if (i > start) found.push({ text: text.slice(start, i) });
    kept = text.slice(Math.max(i, start));
    return found;
  };

  return {
    push: (piece) => scan(kept + piece, false),
    end: () => scan(kept, true),
  };
}
