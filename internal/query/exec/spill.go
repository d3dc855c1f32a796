package exec

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// spill is an unlinked temporary file of sorted runs, rows as length and key,
// length and value. It is made with its first run. For one goroutine.
type spill struct {
	ctx  context.Context
	dir  string
	max  int64
	file *os.File
	runs []fileRange // offsets
	size int64
	out  *bufio.Writer
}

type fileRange struct{ from, to int64 }

// write appends one run, of the rows that fill puts.
func (f *spill) write(fill func(put func(key, value []byte) error) error) error {
	if f.file == nil {
		var err error
		if f.file, err = tempFile(f.dir); err != nil {
			return fmt.Errorf("sort: %w", err)
		}
		f.out = bufio.NewWriterSize(f.file, 64<<10)
	}
	from := f.size
	var lens [2 * binary.MaxVarintLen32]byte
	rows := 0
	err := fill(func(key, value []byte) error {
		if rows++; rows%1024 == 0 && f.ctx.Err() != nil {
			return context.Cause(f.ctx)
		}
		head := binary.AppendUvarint(binary.AppendUvarint(lens[:0], uint64(len(key))), uint64(len(value)))
		f.size += int64(len(head) + len(key) + len(value))
		if f.size > f.max {
			return ErrTempFull
		}
		f.out.Write(head)
		f.out.Write(key)
		f.out.Write(value) // an error stays until Flush
		return nil
	})
	if err != nil {
		return err
	}
	if err := f.out.Flush(); err != nil {
		return fmt.Errorf("sort: %w", err)
	}
	f.runs = append(f.runs, fileRange{from, f.size})
	return nil
}

// sources returns the runs, each to be read through a buffer of that many bytes.
func (f *spill) sources(buffer int) []source {
	var all []source
	if f.file != nil {
		// What the kernel would read ahead of each of a hundred runs, up to 8 MiB on
		// some disks, is thrown away again before it is asked for where there is little
		// memory.
		_ = unix.Fadvise(int(f.file.Fd()), 0, 0, unix.FADV_RANDOM)
	}
	for _, r := range f.runs {
		all = append(all, &runSource{in: bufio.NewReaderSize(&runReader{f.file, r}, buffer)})
	}
	return all
}

// runReader reads what is left of one run, and has the kernel read as much again
// meanwhile.
type runReader struct {
	file *os.File
	left fileRange
}

func (r *runReader) Read(p []byte) (int, error) {
	p = p[:min(int64(len(p)), r.left.to-r.left.from)]
	if len(p) == 0 {
		return 0, io.EOF
	}
	n, err := r.file.ReadAt(p, r.left.from)
	r.left.from += int64(n)
	if more := min(int64(len(p)), r.left.to-r.left.from); more > 0 {
		_ = unix.Fadvise(int(r.file.Fd()), r.left.from, more, unix.FADV_WILLNEED)
	}
	return n, err
}

func (f *spill) close() {
	if f.file != nil {
		f.file.Close()
	}
}

// runSource reads one run.
type runSource struct {
	in  *bufio.Reader
	buf []byte // the row
	bad error
}

func (s *runSource) next() (row, bool) {
	k, err := binary.ReadUvarint(s.in)
	if err == io.EOF {
		return row{}, false
	}
	v, err2 := binary.ReadUvarint(s.in)
	if err = errors.Join(err, err2); err == nil {
		if n := int(k + v); cap(s.buf) < n {
			s.buf = make([]byte, n, 2*n)
		} else {
			s.buf = s.buf[:n]
		}
		_, err = io.ReadFull(s.in, s.buf)
	}
	if err != nil {
		s.bad = fmt.Errorf("sort: reading back: %w", err)
		return row{}, false
	}
	return row{prefixOf(s.buf[:k]), s.buf[:k:k], s.buf[k:]}, true
}

func (s *runSource) err() error { return s.bad }

// tempFile opens a file in dir that has no name, or none any more.
func tempFile(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC|unix.O_EXCL, 0o600)
	switch err {
	case nil:
		return os.NewFile(uintptr(fd), dir+"/(unnamed)"), nil
	case syscall.EOPNOTSUPP, syscall.EISDIR, syscall.EINVAL: // the file system cannot
	default:
		return nil, &os.PathError{Op: "open a temporary file in", Path: dir, Err: err}
	}
	f, err := os.CreateTemp(dir, ".indexd-sort-*")
	if err == nil {
		if err = os.Remove(f.Name()); err != nil {
			f.Close()
		}
	}
	return f, err
}
