package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/app/api"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
)

func TestAPI(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	RegisterFailHandler(Fail)
	RunSpecs(t, "HTTP API")
}

// epoch is when the histories of the specs begin, and now when they are asked for.
var (
	epoch = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	now   = time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
)

// served has acme with the six regions first, and another one behind it.
func served() store.Catalog {
	acme, other := store.API{Name: "acme"}, store.API{Name: "other", Regions: []store.Region{{Name: "eu-west"}, {Name: "mars_1"}}}
	for _, name := range store.Regions() {
		acme.Regions = append(acme.Regions, store.Region{Name: name})
	}
	return store.Catalog{acme, other}
}

// service is an API over a store of its own.
type service struct {
	*boltstore.Store
	url  string
	logs *gbytes.Buffer
}

// serve starts an API over an embedded store; change may change its options.
func serve(change ...func(*api.Options)) *service {
	GinkgoHelper()
	db, err := boltstore.Open(boltstore.Options{Path: filepath.Join(GinkgoT().TempDir(), "history.db"), Retention: -1})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(db.Close)
	s := &service{Store: db, logs: gbytes.NewBuffer()}
	log := logrus.New()
	log.SetOutput(s.logs)
	o := api.Options{Catalog: served, History: db, Past: db, Now: func() time.Time { return now }, Logger: log}
	for _, c := range change {
		c(&o)
	}
	s.url = mount(o, false)
	return s
}

// mount serves an API and returns its address; where trusted is true, everybody may
// write there.
func mount(o api.Options, trusted bool) string {
	r := gin.New()
	get := func(path string, h gin.HandlerFunc) {
		r.GET(path, h)
		r.HEAD(path, h)
	}
	service := api.New(o)
	service.Register(get)
	for _, route := range service.AlertRoutes(trusted) {
		if route.Get != nil {
			get(route.Path, route.Get)
		}
		if route.Post != nil {
			r.POST(route.Path, route.Post)
		}
		if route.Delete != nil {
			r.DELETE(route.Path, route.Delete)
		}
	}
	web := httptest.NewServer(r)
	DeferCleanup(web.Close)
	return web.URL
}

// row is a row of the history of a region, seconds after epoch.
func row(source, data string, second int) store.Metric {
	at := epoch.Add(time.Duration(second) * time.Second)
	return store.Metric{API: "acme", Source: source, Data: json.RawMessage(data), Hash: store.Hash([]byte(data)), CreatedAt: at, UpdatedAt: at}
}

func (s *service) put(rows ...store.Metric) {
	GinkgoHelper()
	added, err := s.Import(context.Background(), rows)
	Expect(err).NotTo(HaveOccurred())
	Expect(added).To(Equal(len(rows)))
}

// fill puts n rows of eu-west, one in a second.
func (s *service) fill(n int) {
	GinkgoHelper()
	rows := make([]store.Metric, n)
	for i := range rows {
		rows[i] = row("eu-west", fmt.Sprintf(`{"status":"ok","n":%d}`, i), i)
	}
	s.put(rows...)
}

// answer is what came back.
type answer struct {
	*http.Response
	body string
}

func (s *service) get(path string, headers ...string) answer {
	GinkgoHelper()
	return ask(http.MethodGet, s.url+path, headers...)
}

func ask(method, url string, headers ...string) answer {
	GinkgoHelper()
	return send(method, url, "", headers...)
}

// send asks with a body.
func send(method, url, text string, headers ...string) answer {
	GinkgoHelper()
	r, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(text))
	Expect(err).NotTo(HaveOccurred())
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	Expect(err).NotTo(HaveOccurred())
	asDescribed(r, text, resp, body)
	return answer{resp, string(body)}
}

func (a answer) json() (v map[string]any) {
	GinkgoHelper()
	Expect(a.StatusCode).To(Equal(http.StatusOK), a.body)
	Expect(json.Unmarshal([]byte(a.body), &v)).To(Succeed(), a.body)
	return v
}

// refused expects an error of a status, whose sentence has all the parts.
func (a answer) refused(status int, parts ...string) {
	GinkgoHelper()
	Expect(a.StatusCode).To(Equal(status), a.body)
	var v struct {
		Error string `json:"error"`
	}
	Expect(json.Unmarshal([]byte(a.body), &v)).To(Succeed(), a.body)
	Expect(v.Error).NotTo(BeEmpty())
	for _, part := range parts {
		Expect(v.Error).To(ContainSubstring(part))
	}
}

// numbers returns the member n of the rows of a JSON answer.
func (a answer) numbers() (all []int) {
	GinkgoHelper()
	for _, item := range a.json()["items"].([]any) {
		all = append(all, int(item.(map[string]any)["data"].(map[string]any)["n"].(float64)))
	}
	return all
}

// next returns the address of the next page; empty: there is none.
func (s *service) next(a answer) string {
	link := a.Header.Get("Link")
	if link == "" {
		return ""
	}
	path, ok := strings.CutSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
	Expect(ok).To(BeTrue(), link)
	return path
}
