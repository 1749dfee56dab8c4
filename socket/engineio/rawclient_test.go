package engineio

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// A client that knows nothing of the server's code: it writes the bytes that a
// case names and reads the frames that come back.

// frame is what a case sends: the first byte, the length in the form that is
// asked for, a mask, the payload.
type frame struct {
	first   byte // FIN, RSV and opcode
	payload string
	form    int    // bytes of the length beside the second byte: 0, 2, 8; -1: as short as possible
	size    uint64 // the length that is told; 0: that of the payload
	bare    bool   // without a mask
}

func (f frame) bytes() []byte {
	size := f.size
	if size == 0 {
		size = uint64(len(f.payload))
	}
	form := f.form
	if form < 0 {
		form = map[bool]int{true: 0}[size < 126]
		if size >= 126 {
			form = 2
		}
		if size > 0xffff {
			form = 8
		}
	}
	b := []byte{f.first, 0}
	switch form {
	case 0:
		b[1] = byte(size)
	case 2:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(size))
	case 8:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, size)
	}
	if f.bare {
		return append(b, f.payload...)
	}
	b[1] |= 0x80
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, key[:]...)
	for i := range len(f.payload) {
		b = append(b, f.payload[i]^key[i%4])
	}
	return b
}

// fr is an ordinary frame with that first byte.
func fr(first byte, payload string) []byte {
	return frame{first: first, payload: payload, form: -1}.bytes()
}

func closing(status uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, status)) + reason
}

// peerConn is the client's side of a connection to the server under test.
type peerConn struct {
	net.Conn
	in *bufio.Reader
}

// shake sends a handshake with these header lines and returns the answer.
func shake(url string, lines ...string) (peerConn, *http.Response) {
	GinkgoHelper()
	host, path, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	c, err := net.Dial("tcp", host)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = c.Close() })
	Expect(c.SetDeadline(time.Now().Add(20 * time.Second))).To(Succeed())
	_, err = c.Write([]byte("GET /" + path + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(append(lines, "", ""), "\r\n")))
	Expect(err).NotTo(HaveOccurred())
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	Expect(err).NotTo(HaveOccurred())
	return peerConn{c, in}, resp
}

var proper = []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}

// next reads one frame of the server and names it: "text:…", "binary:…",
// "pong:…", "close:1000", or "end" where the connection ends in an orderly way.
func (p peerConn) next() string {
	GinkgoHelper()
	var head [2]byte
	if _, err := io.ReadFull(p.in, head[:]); err != nil {
		Expect(errors.Is(err, io.EOF)).To(BeTrue(), "the connection was not closed in an orderly way: %v", err)
		return "end"
	}
	Expect(head[0]&0xb0).To(BeEquivalentTo(0x80), "a final frame without reserved bits")
	Expect(head[1]&0x80).To(BeZero(), "no mask")
	size := uint64(head[1])
	if head[1] >= 126 {
		long := make([]byte, map[byte]int{126: 2, 127: 8}[head[1]])
		_, err := io.ReadFull(p.in, long)
		Expect(err).NotTo(HaveOccurred())
		size = binary.BigEndian.Uint64(append(make([]byte, 8-len(long)), long...))
	}
	payload := make([]byte, size)
	_, err := io.ReadFull(p.in, payload)
	Expect(err).NotTo(HaveOccurred())
	if head[0]&0x40 != 0 {
		payload, err = io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))))
		Expect(err).NotTo(HaveOccurred())
	}
	switch head[0] & 0x0f {
	case 0x1:
		return "text:" + string(payload)
	case 0x2:
		return "binary:" + string(payload)
	case 0x8:
		if len(payload) == 0 {
			return "close:"
		}
		return fmt.Sprintf("close:%d", binary.BigEndian.Uint16(payload))
	case 0xA:
		return "pong:" + string(payload)
	}
	return fmt.Sprintf("opcode %x", head[0])
}

// deflated compresses as a client without context takeover does.
func deflated(text string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	_, _ = w.Write([]byte(text))
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// finalBlock compresses into a stream that ends with a final block.
func finalBlock(text string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

// dialRaw shakes hands at the URL of a websocket.
func dialRaw(url string) peerConn {
	GinkgoHelper()
	p, resp := shake(url, proper...)
	Expect(resp.StatusCode).To(Equal(http.StatusSwitchingProtocols))
	return p
}

// together writes all frames with one call, so that they arrive together.
func (p peerConn) together(frames ...[]byte) {
	GinkgoHelper()
	_, err := p.Write(bytes.Join(frames, nil))
	Expect(err).NotTo(HaveOccurred())
}
