package synth

import (
	"fmt"
	"math/rand/v2"
)

// style is what the files of one directory have in common.
type style struct {
	name func(r *rand.Rand, i int) string
	exec bool
}

var styles = [...]style{
	{name: sources}, {name: sources}, {name: sources}, {name: scripts}, {name: pages},
	{name: photos}, {name: objects}, {name: tools, exec: true},
}

func sources(r *rand.Rand, i int) string {
	ext := [...]string{".go", ".c", ".h", ".py", ".js", ".d.ts", ".map", ".json", ".txt"}
	return stem(r, i) + ext[r.IntN(len(ext))]
}

func scripts(r *rand.Rand, i int) string {
	return fmt.Sprintf("%s-%d.%d.%s", word(r), i/10, i%10, [...]string{"js", "mjs", "cjs"}[r.IntN(3)])
}

func pages(r *rand.Rand, i int) string {
	return fmt.Sprintf("%s_%s.%dssl.gz", word(r), stem(r, i), r.IntN(8)+1)
}

func photos(_ *rand.Rand, i int) string { return fmt.Sprintf("IMG_2023%04d_%06d.jpg", i/50, i*37) }

func objects(r *rand.Rand, _ int) string {
	return fmt.Sprintf("%016x%016x%06x", r.Uint64(), r.Uint64(), r.IntN(1<<24))
}

func tools(r *rand.Rand, i int) string { return stem(r, i) }

func stem(r *rand.Rand, i int) string {
	switch r.IntN(4) {
	case 0:
		return word(r)
	case 1:
		return fmt.Sprintf("%s%d", word(r), i)
	case 2:
		return word(r) + "_" + word(r)
	}
	return word(r) + "-" + word(r) + "-" + word(r)
}

func dirTail(r *rand.Rand, i int) string {
	switch r.IntN(3) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("-%d", i)
	}
	return fmt.Sprintf("-%s", word(r))
}

var words = [...]string{
	"index", "main", "test", "util", "lib", "core", "node", "data", "file", "cache", "config",
	"server", "client", "driver", "module", "package", "readme", "license", "example", "error",
	"http", "parse", "build", "image", "theme", "locale", "python", "kernel", "device", "network",
	"buffer", "string", "array", "thread", "worker", "queue", "table", "schema", "query", "store",
	"a", "x86", "arm64", "io", "db", "ui", "api", "doc", "tmp", "bin", "internationalization",
}

func word(r *rand.Rand) string { return words[r.IntN(len(words))] }
