package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/errors"

	"github.com/devops-insights/devops-insights/store"
)

// described returns the validator of the document; it is made once.
var described = sync.OnceValue(func() validator.Validator {
	body, err := os.ReadFile("openapi.json")
	if err != nil {
		panic(err)
	}
	doc, err := libopenapi.NewDocument(body)
	if err != nil {
		panic(err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		panic(fmt.Sprint(errs))
	}
	return v
})

func reasons(errs []*errors.ValidationError) string {
	var b strings.Builder
	for _, err := range errs {
		fmt.Fprintf(&b, "%s: %s\n", err.Message, err.Reason)
		for _, s := range err.SchemaValidationErrors {
			fmt.Fprintf(&b, "  %s: %s\n", s.FieldPath, s.Reason)
		}
	}
	return b.String()
}

// asDescribed expects an answer to be one that the document has, and the question
// too, where it was answered.
func asDescribed(r *http.Request, sent string, resp *http.Response, body []byte) {
	GinkgoHelper()
	if r.Method == http.MethodHead || r.Method == http.MethodOptions || strings.HasSuffix(r.URL.Path, ".png") { // which is no path of the document
		return
	}
	r = r.Clone(r.Context())
	r.URL.Host, r.URL.Scheme, r.Host = "", "", "" // the document's server is the one that serves it
	bodies := [][]byte{body}
	if resp.Header.Get("Content-Type") == "application/x-ndjson" { // the schema is that of a line
		lines := bytes.SplitAfter(body, []byte("\n"))
		bodies = lines[:min(len(lines)-1, 20)]
	}
	for _, part := range bodies {
		copied := *resp
		copied.Body = io.NopCloser(bytes.NewReader(part))
		ok, errs := described().ValidateHttpResponse(r, &copied)
		Expect(ok).To(BeTrue(), "%s: %d: %s: %s", r.URL, resp.StatusCode, reasons(errs), part[:min(len(part), 2000)])
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusCreated {
		r.Body = io.NopCloser(strings.NewReader(sent))
		ok, errs := described().ValidateHttpRequest(r)
		Expect(ok).To(BeTrue(), "%s: %s", r.URL, reasons(errs))
	}
}

var _ = Describe("the OpenAPI document", func() {
	It("is a valid one, and served", func() {
		ok, errs := described().ValidateDocument()
		Expect(ok).To(BeTrue(), reasons(errs))
		s := serve()
		a := s.get("/api/v1/openapi.json")
		Expect(a.json()).To(HaveKeyWithValue("openapi", "3.1.0"))
		body, err := os.ReadFile("openapi.json")
		Expect(err).NotTo(HaveOccurred())
		Expect(a.body).To(Equal(string(body)))
		Expect(s.get("/api/v1/openapi.json", "If-None-Match", a.Header.Get("ETag")).StatusCode).To(Equal(http.StatusNotModified))
	})

	type media struct {
		Example json.RawMessage `json:"example"`
	}
	type response struct {
		Ref     string           `json:"$ref"`
		Content map[string]media `json:"content"`
	}
	type parameter struct {
		Ref         string `json:"$ref"`
		Name        string `json:"name"`
		Description string `json:"description"`
		Example     any    `json:"example"`
		Examples    map[string]any
	}
	type operation struct {
		Parameters  []parameter         `json:"parameters"`
		RequestBody response            `json:"requestBody"`
		Responses   map[string]response `json:"responses"`
	}
	var doc struct {
		Paths      map[string]map[string]operation `json:"paths"`
		Components struct {
			Parameters map[string]parameter `json:"parameters"`
			Responses  map[string]response  `json:"responses"`
		} `json:"components"`
	}
	BeforeEach(func() {
		body, err := os.ReadFile("openapi.json")
		Expect(err).NotTo(HaveOccurred())
		Expect(json.Unmarshal(body, &doc)).To(Succeed())
	})
	last := func(ref string) string { return ref[strings.LastIndex(ref, "/")+1:] }

	It("has every path, with an example of every parameter and answer, which fit", func() {
		Expect(doc.Paths).To(HaveLen(15))
		for path, item := range doc.Paths {
			for method, o := range item {
				for _, p := range o.Parameters {
					if p.Ref != "" {
						p = doc.Components.Parameters[last(p.Ref)]
					}
					Expect(p.Description).NotTo(BeEmpty(), "%s %s", path, p.Name)
					Expect(p.Example != nil || len(p.Examples) > 0).To(BeTrue(), "%s %s", path, p.Name)
				}
				target := strings.NewReplacer("{region}", "eu-west", "{window}", "30d", "{id}", "x-1").Replace(path) + "?source=eu-west&field=x&by=Kim"
				ask := func(body []byte) *http.Request {
					r, err := http.NewRequest(strings.ToUpper(method), target, bytes.NewReader(body))
					Expect(err).NotTo(HaveOccurred())
					r.Header.Set("Content-Type", "application/json")
					return r
				}
				for kind, m := range o.RequestBody.Content {
					ok, errs := described().ValidateHttpRequest(ask(m.Example))
					Expect(ok).To(BeTrue(), "%s %s %s: %s", method, path, kind, reasons(errs))
				}
				Expect(o.RequestBody.Content).To(HaveLen(map[string]int{"post": 1}[method]), path)
				for status, r := range o.Responses {
					if r.Ref != "" {
						r = doc.Components.Responses[last(r.Ref)]
					}
					for kind, m := range r.Content {
						Expect(m.Example).NotTo(BeEmpty(), "%s %s %s %s", method, path, status, kind)
						if kind != "application/json" {
							continue
						}
						var code int
						_, err := fmt.Sscan(status, &code)
						Expect(err).NotTo(HaveOccurred())
						header := http.Header{"Content-Type": {kind}, "Retry-After": {"5"}, "Www-Authenticate": {"Bearer"}}
						ok, errs := described().ValidateHttpResponse(ask(nil), &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(bytes.NewReader(m.Example))})
						Expect(ok).To(BeTrue(), "%s %s %s: %s", method, path, status, reasons(errs))
					}
				}
			}
		}
	})

	It("has the regions that there are", func() {
		body, err := os.ReadFile("openapi.json")
		Expect(err).NotTo(HaveOccurred())
		for _, region := range store.Regions() {
			Expect(string(body)).To(ContainSubstring(`"` + region + `"`))
		}
	})
})
