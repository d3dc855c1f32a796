package query

// Sort names the order of rows. Every order is total: rows that are otherwise equal are
// ordered by path.
type Sort string

// The orders. SortKeys describes each.
const (
	SortDefault Sort = ""
	SortPath    Sort = "path"
	SortName    Sort = "name"
	SortSize    Sort = "size"
	SortMtime   Sort = "mtime"
	SortExt     Sort = "ext"
	SortBlocks  Sort = "blocks"
)

// SortKey is one row of the table of orders. How an order is carried out is up to package
// exec, which has a row for each of these.
type SortKey struct {
	Name       Sort
	Doc        string // for the documentation and --help
	Descending bool   // the largest or newest comes first, unless Request.Reverse is set
	NeedsMeta  bool   // the key is read from metadata, not from the name or path
}

var sortKeys = [...]SortKey{
	{Name: SortDefault, Doc: "directory by directory in path order, names bytewise within each"},
	{Name: SortPath, Doc: "component by component: a directory, then its contents"},
	{Name: SortName, Doc: "by name, bytewise"},
	{Name: SortSize, Doc: "largest first", Descending: true, NeedsMeta: true},
	{Name: SortMtime, Doc: "newest first", Descending: true, NeedsMeta: true},
	{Name: SortExt, Doc: "by extension in lower case"},
	{Name: SortBlocks, Doc: "largest allocated size first", Descending: true, NeedsMeta: true},
}

// SortKeys returns the table of orders, the default one first. The caller must not change it.
func SortKeys() []SortKey { return sortKeys[:] }

// Key returns the row of s in the table of orders; ok is false if there is none.
func (s Sort) Key() (k SortKey, ok bool) {
	for _, k := range sortKeys {
		if k.Name == s {
			return k, true
		}
	}
	return SortKey{}, false
}

// SortNames returns the names of all orders except the default one, which has none.
func SortNames() []string {
	var names []string
	for _, k := range sortKeys[1:] {
		names = append(names, string(k.Name))
	}
	return names
}
