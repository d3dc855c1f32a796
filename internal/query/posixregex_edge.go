package query

// posixRegex is a POSIX regular expression, translated. Of two things RE2 knows
// less than regexec: of the edges of words, since for it only ASCII has letters
// and the word may be on either side; and of a byte that is not UTF-8, which it
// takes for U+FFFD, and '.' finds. Where they count a machine of our own has
// the last word. It is slower, but then it judges few.
type PosixRegex struct {
	Where   TextWhere
	Pattern string
	Edges   bool
	Bytes   bool
}

// In the pattern the beginning and the end of a word are written as RE2 writes
// those of a line, which nothing else needs.
const (
	wordBegins = `(?m:^)`
	wordEnds   = `(?m:$)`
)

func (*PosixRegex) isExpr() {}

// String is for people, where RE2 says something else by it.
func (x *PosixRegex) String() string { return "re:" + quoteValue(x.Pattern) }
