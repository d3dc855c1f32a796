package ipc

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

const (
	aheadChunks   = 16               // read ahead in memory, of chunkSize
	aheadPatience = 10 * time.Second // how long a full memory waits for the caller before it goes to a file
	aheadMaxFile  = 1 << 30          // bytes of the file
)

// readAhead reads an answer as fast as it comes while the caller takes it as
// slowly as it likes: a pager waits for a person, xargs for its children, but
// the daemon drops a reader that takes nothing for long. What does not fit into
// memory is kept in a temporary file without a name.
type readAhead struct {
	src    io.Reader
	chunks chan []byte   // closed when the rest is in the file, or src has ended
	free   chan []byte   // chunks to be used again
	done   chan struct{} // closed by close
	ended  chan struct{} // closed when the goroutine has ended
	once   sync.Once

	// Of the reading side alone.
	cur, whole []byte

	mu     sync.Mutex
	change sync.Cond // file, wrote, read, err or closed
	file   *os.File
	wrote  int64 // bytes in the file
	read   int64 // bytes of them taken
	err    error // how src ended
	closed bool
}

// newReadAhead starts to read from src; the caller must make src fail before
// it calls close.
func newReadAhead(src io.Reader) *readAhead {
	r := &readAhead{
		src:    src,
		chunks: make(chan []byte, aheadChunks),
		free:   make(chan []byte, aheadChunks+2),
		done:   make(chan struct{}),
		ended:  make(chan struct{}),
	}
	r.change.L = &r.mu
	go r.run()
	return r
}

// run owns src and the writing side.
func (r *readAhead) run() {
	defer close(r.ended)
	err := r.toMemory()
	if err == nil {
		err = r.toFile()
	}
	r.mu.Lock()
	r.err = err
	r.change.Broadcast()
	r.mu.Unlock()
}

// toMemory returns nil when the rest is to go to a file. It closes chunks.
func (r *readAhead) toMemory() error {
	defer close(r.chunks)
	patience := time.NewTimer(aheadPatience)
	defer patience.Stop()
	for {
		var buf []byte
		select {
		case buf = <-r.free:
		default:
			buf = make([]byte, chunkSize)
		}
		n, err := r.src.Read(buf)
		if n > 0 {
			patience.Reset(aheadPatience)
			select {
			case r.chunks <- buf[:n]:
			case <-r.done:
				return errClosed
			case <-patience.C:
				spilled := r.spill(buf[:n])
				if spilled && err == nil {
					return nil
				}
				if !spilled { // no file: the daemon has to wait, and may lose its patience
					select {
					case r.chunks <- buf[:n]:
					case <-r.done:
						return errClosed
					}
				}
			}
		}
		if err != nil {
			return err
		}
	}
}

var errClosed = errors.New("closed")

// spill makes the file and writes its first bytes.
func (r *readAhead) spill(first []byte) bool {
	f, err := os.CreateTemp("", "indexctl-*")
	if err != nil {
		return false
	}
	os.Remove(f.Name())
	if _, err := f.Write(first); err != nil {
		f.Close()
		return false
	}
	r.mu.Lock()
	r.file, r.wrote = f, int64(len(first))
	r.mu.Unlock()
	return true
}

// toFile writes the rest of src to the file.
func (r *readAhead) toFile() error {
	buf := make([]byte, chunkSize)
	for {
		n, err := r.src.Read(buf)
		if n > 0 {
			if err := r.store(buf[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// store appends b to the file, after the caller has made room if there is too
// much in it.
func (r *readAhead) store(b []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.wrote-r.read >= aheadMaxFile && !r.closed {
		r.change.Wait()
	}
	if r.closed {
		return errClosed
	}
	if r.read == r.wrote {
		if r.file.Truncate(0) == nil {
			r.read, r.wrote = 0, 0
		}
	}
	if _, err := r.file.WriteAt(b, r.wrote); err != nil {
		return err
	}
	r.wrote += int64(len(b))
	r.change.Broadcast()
	return nil
}

// Read implements io.Reader for the one caller. It returns src's error when all
// that came before it was taken.
func (r *readAhead) Read(p []byte) (int, error) {
	for len(r.cur) == 0 {
		if r.whole != nil {
			select {
			case r.free <- r.whole:
			default:
			}
			r.whole = nil
		}
		chunk, ok := <-r.chunks
		if !ok {
			return r.fromFile(p)
		}
		r.cur, r.whole = chunk, chunk[:cap(chunk)]
	}
	n := copy(p, r.cur)
	r.cur = r.cur[n:]
	return n, nil
}

func (r *readAhead) fromFile(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.read == r.wrote && r.err == nil {
		r.change.Wait()
	}
	if r.read == r.wrote {
		return 0, r.err
	}
	n, err := r.file.ReadAt(p[:min(int64(len(p)), r.wrote-r.read)], r.read)
	r.read += int64(n)
	r.change.Broadcast()
	if n > 0 {
		err = nil
	}
	return n, err
}

// close ends the goroutine and waits for it.
func (r *readAhead) close() {
	r.once.Do(func() {
		close(r.done)
		r.mu.Lock()
		r.closed = true
		r.change.Broadcast()
		r.mu.Unlock()
		<-r.ended
		if r.file != nil {
			r.file.Close()
		}
	})
}
