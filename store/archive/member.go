package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
)

// A member begins with a header of gzip with an extra field, in which its length
// stands: the end of a file is found without unpacking all of it.
const (
	// headerSize is that of ten bytes, the length of the extra field, and the
	// field itself: name, length of the value, value.
	headerSize  = 10 + 2 + 4 + 8
	lengthPlace = headerSize - 8
	// trailerSize is that of checksum and length of what is packed.
	trailerSize = 8
)

// header returns the beginning of a member of the given length.
func header(length uint64) []byte {
	b := []byte{0x1f, 0x8b, 8, 4 /* an extra field */, 0, 0, 0, 0, 0, 255, 12, 0, 'D', 'I', 8, 0}
	return binary.LittleEndian.AppendUint64(b, length)
}

// pack makes a member of text.
func pack(text []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Extra = header(0)[12:]
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	member := b.Bytes()
	copy(member, header(uint64(len(member))))
	return member, nil
}

// found is what examine found in a file.
type found struct {
	size    int64 // of what is whole
	strange bool  // what stands behind it was not written in part, but is something else
	recent  []hash
}

// span is the place of a member.
type span struct{ begin, end int64 }

// examine goes from member to member.
func examine(file io.ReaderAt, size int64) (f found, err error) {
	var members []span
	for f.size < size {
		end, strange, err := memberAt(file, f.size, size)
		if err != nil {
			return f, err
		}
		if end == 0 {
			f.strange = strange
			break
		}
		members = append(members, span{f.size, end})
		f.size = end
	}
	for i := len(members) - 1; i >= 0 && len(f.recent) < maxRecent; i-- {
		text, err := unpack(file, members[i])
		if err != nil && i == len(members)-1 { // the last one, written in part: its pages come in any order
			f.size, f.strange = members[i].begin, true
			continue
		}
		if err != nil {
			break // an old one: nothing of it will come again
		}
		var lines []hash
		for line := range bytes.Lines(text) {
			lines = append(lines, sha256.Sum256(line))
		}
		f.recent = append(lines, f.recent...)
	}
	return f, nil
}

// memberAt returns the end of the member that begins at a place. It is 0 where
// none does that is whole, and strange says that none was written in part
// either.
func memberAt(file io.ReaderAt, at, size int64) (end int64, strange bool, err error) {
	head := make([]byte, min(headerSize, size-at))
	if _, err := file.ReadAt(head, at); err != nil {
		return 0, false, err
	}
	if blank(head) { // the file grew, and its contents were not written any more
		return 0, false, nil
	}
	fixed := min(len(head), lengthPlace)
	if !bytes.Equal(head[:fixed], header(0)[:fixed]) {
		return 0, true, nil
	}
	if len(head) < headerSize {
		return 0, false, nil
	}
	length := binary.LittleEndian.Uint64(head[lengthPlace:])
	switch {
	case length < headerSize+trailerSize:
		return 0, true, nil
	case length > uint64(size-at):
		return 0, length > maxMember, nil
	}
	return at + int64(length), false, nil
}

// maxMember is more than a member can be.
const maxMember = 1 << 32

func unpack(file io.ReaderAt, m span) ([]byte, error) {
	r, err := gzip.NewReader(io.NewSectionReader(file, m.begin, m.end-m.begin))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func blank(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// reader reads what is packed in a file, and closes it.
type reader struct {
	*gzip.Reader
	file *os.File
}

func newReader(file *os.File) (io.ReadCloser, error) {
	r, err := gzip.NewReader(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &reader{r, file}, nil
}

// Close implements io.Closer.
func (r *reader) Close() error { return errors.Join(r.Reader.Close(), r.file.Close()) }
