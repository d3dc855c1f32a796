package trigram

// unpacked is the Source of Unpack.
type unpacked struct {
	next func() ([]byte, bool)
	page page
	list int // the next one of page
	t    T   // the last trigram
	docs []uint16
	err  error
}

// Unpack gives the lists of the pages that next returns one after another, in the
// order of their marks, each valid until the next call. The error is ErrPage if one is
// none, if two in a row do not fit together, or if next ends in the middle of a list;
// that pages are missing between lists is not seen.
func Unpack(next func() (page []byte, ok bool)) Source {
	return &unpacked{next: next, t: none}
}

func (u *unpacked) Err() error { return u.err }

func (u *unpacked) Docs(dst []uint16) []uint16 { return append(dst, u.docs...) }

func (u *unpacked) Next() (T, bool) {
	if u.err != nil || u.list == u.page.lists && !u.open() {
		return 0, false
	}
	t, more := u.take(u.docs[:0])
	if u.err == nil && u.t != none && t <= u.t {
		u.err = ErrPage
	}
	u.t = t
	for more && u.err == nil {
		if !u.open() {
			// The list was to go on.
			u.err = ErrPage
			break
		}
		had := len(u.docs)
		if t, more = u.take(u.docs); u.err == nil && (t != u.t || u.docs[had] <= u.docs[had-1]) {
			u.err = ErrPage
		}
	}
	return u.t, u.err == nil
}

// open goes on to the next page, and returns false at the end and after an error.
func (u *unpacked) open() bool {
	data, ok := u.next()
	if !ok {
		u.page, u.list = page{}, 0
		return false
	}
	u.page, u.err = open(data)
	u.list = 0
	return u.err == nil
}

// take appends the numbers of the next list of the page to docs, makes these u.docs,
// and returns its trigram and whether it goes on in the next page.
func (u *unpacked) take(docs []uint16) (t T, more bool) {
	t, at := u.page.entry(u.list)
	t += u.page.first
	u.docs, _, u.err = u.page.decode(at, docs)
	if t >= none {
		u.err = ErrPage
	}
	u.list++
	return t, u.page.more && u.list == u.page.lists
}
