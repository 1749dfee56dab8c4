package poller

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/andybalholm/brotli"
	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"

	"github.com/devops-insights/devops-insights/store/jsjson"
)

// acceptEncoding is what is asked for; more is understood.
const acceptEncoding = "gzip, deflate, br"

// readBody returns the value of an answer: decompressed, in UTF-8, without white
// space between its tokens. Bytes that are not of the charset become U+FFFD, as
// in the Node backend.
func (h *HTTP) readBody(resp *http.Response) (json.RawMessage, *Error) {
	fail := func(code Code, text string, cause error) *Error {
		return &Error{Code: code, HTTPStatus: resp.StatusCode, Text: text, Cause: cause}
	}
	if resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusResetContent {
		return nil, fail(CodeEmpty, fmt.Sprintf("answered %d, which has no content", resp.StatusCode), nil)
	}
	body, err := decompress(resp.Body, resp.Header.Values("Content-Encoding"))
	var text []byte
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(body, h.opts.MaxBytes+1))
	}
	var unreadable *encodingError
	switch {
	case errors.As(err, &unreadable):
		return nil, fail(CodeEncoding, "answered in a compression that cannot be read", err)
	case err != nil:
		e := requestError(err)
		e.HTTPStatus = resp.StatusCode
		return nil, e
	case int64(len(text)) > h.opts.MaxBytes:
		return nil, fail(CodeTooLarge, fmt.Sprintf("answered more than the allowed %d bytes", h.opts.MaxBytes), nil)
	}
	text, err = toUTF8(text, resp.Header.Get("Content-Type"))
	switch {
	case err != nil:
		return nil, fail(CodeEncoding, "answered in a charset that cannot be read", err)
	case len(bytes.TrimSpace(text)) == 0:
		return nil, fail(CodeEmpty, "answered without content", nil)
	}
	data, err := compact(text)
	if err != nil {
		return nil, fail(CodeNotJSON, "answered something that is not JSON", err)
	}
	return data, nil
}

// encodingError is a body that is not what Content-Encoding says.
type encodingError struct{ error }

// Unwrap returns the cause.
func (e *encodingError) Unwrap() error { return e.error }

// decompressed marks errors of a decompressor apart from those of the connection.
type decompressed struct {
	io.Reader
	source *watched
}

// Read implements io.Reader.
func (d decompressed) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && d.source.err == nil {
		err = &encodingError{err}
	}
	return n, err
}

// watched remembers the error with which the connection ended, but for its
// orderly end.
type watched struct {
	io.Reader
	err error
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // a wrapped one is not the orderly end
		w.err = err
	}
	return n, err
}

// maxEncodings bounds how often an answer may be compressed.
const maxEncodings = 4

// decompress undoes the encodings, the last one first, whether they were asked
// for or not.
func decompress(body io.Reader, headers []string) (io.Reader, error) {
	source := &watched{Reader: body}
	var reader io.Reader = source
	encodings := strings.Split(strings.Join(headers, ","), ",")
	if len(encodings) > maxEncodings {
		return nil, &encodingError{errors.New("compressed too often")}
	}
	for i := len(encodings) - 1; i >= 0; i-- {
		name := strings.ToLower(strings.TrimSpace(encodings[i]))
		if name == "" || name == "identity" {
			continue
		}
		buffered := bufio.NewReader(reader)
		if _, err := buffered.Peek(1); errors.Is(err, io.EOF) {
			return buffered, nil // nothing, however it is compressed
		}
		var err error
		switch name {
		case "gzip", "x-gzip":
			reader, err = gzip.NewReader(buffered)
		case "deflate":
			reader, err = inflate(buffered)
		case "br":
			reader = brotli.NewReader(buffered)
		default:
			err = errors.New("unknown")
		}
		if err != nil {
			if source.err != nil {
				return nil, source.err
			}
			return nil, &encodingError{err}
		}
		reader = decompressed{reader, source}
	}
	return reader, nil
}

// inflate reads "deflate", which is zlib by the standard, and bare deflate as
// some servers send it.
func inflate(r *bufio.Reader) (io.Reader, error) {
	head, err := r.Peek(2)
	if err == nil && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(r)
	}
	return flate.NewReader(r), nil
}

// toUTF8 decodes the text as the WHATWG's decoder does: a byte order mark
// decides, then the charset of Content-Type, then UTF-8.
func toUTF8(text []byte, contentType string) ([]byte, error) {
	if rest, found := bytes.CutPrefix(text, []byte("\xef\xbb\xbf")); found {
		return jsjson.Valid(rest), nil
	}
	named := charsetOf(contentType, text)
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		named = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	}
	if named == nil {
		return jsjson.Valid(text), nil
	}
	decoded, err := named.NewDecoder().Bytes(text)
	return bytes.TrimPrefix(decoded, []byte("\ufeff")), err
}

// charsetOf returns the encoding that Content-Type names; nil for UTF-8, and for
// a name that is none, which fetch and axios read as UTF-8 too.
func charsetOf(contentType string, text []byte) encoding.Encoding {
	_, params, err := mime.ParseMediaType(contentType)
	label := strings.ToLower(strings.Trim(params["charset"], `'" `))
	if err != nil && label == "" {
		_, label, _ = strings.Cut(strings.ToLower(contentType), "charset=")
		label, _, _ = strings.Cut(label, ";")
		label = strings.Trim(label, `'" `)
	}
	if label == "utf-16" || label == "utf16" || label == "iso-10646-ucs-2" {
		// Without a byte order mark the first sign of JSON, which is ASCII, tells.
		if len(text) > 0 && text[0] == 0 {
			return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
		}
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	}
	named, canonical := charset.Lookup(label)
	switch canonical {
	case "utf-8":
		return nil
	case "", "replacement", "x-user-defined":
		named, err = ianaindex.IANA.Encoding(label)
		if err != nil {
			return nil
		}
	}
	if named == encoding.Nop || named == unicode.UTF8 {
		return nil
	}
	return named
}

// compact returns JSON text without white space between its tokens.
func compact(body []byte) (json.RawMessage, error) {
	var b bytes.Buffer
	b.Grow(len(body))
	err := json.Compact(&b, body)
	return b.Bytes(), err
}
