package exec

import (
	"indexd/store/record"
)

// maxAhead bounds the records that are read ahead.
const maxAhead = 256

// ahead calls add with the directories that probably follow the current one, in order, and with
// their records' origins, until add returns false or maxAhead records were read. It is only a
// guess, and adds nothing if the candidates are single records.
func (w *walk) ahead(add func(dir string, o *record.Origin) bool) {
	if w.c == nil || w.spans != nil || w.s.volume.Offline {
		return
	}
	at := w.c.Key()
	if w.scout == nil {
		w.scout = w.ks.sn.Cursor(at, w.end)
	} else {
		w.scout.Seek(at)
	}
	for n := 0; n <= maxAhead && w.scout.Next(); n++ {
		if _, chunk := w.scout.Chunk(); chunk || n == 0 {
			continue // where it is now, or no directory
		}
		o := &w.origin
		*o = w.scout.Record().Origin()
		if c := w.ks.cand; c != nil {
			if c.fits != nil && !c.fits.Contains(uint32(o.Doc)) {
				continue
			}
			if !c.inSpans && c.docs != nil && c.docs != c.fits && !c.docs.Contains(uint32(o.Doc)) {
				continue
			}
		}
		w.coming = w.s.appendPathKey(w.coming[:0], w.scout.Dir())
		slashes(w.coming)
		if !add(text(w.coming), o) {
			return
		}
	}
}
