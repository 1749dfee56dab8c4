package simulator

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

func TestSimulator(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Simulator")
}

func get(s *Simulator, region string) (int, string) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/demo/"+region+"/status?stats=1", http.NoBody))
	return w.Code, w.Body.String()
}

// keys returns every object key with its depth, in order; arrays are passed
// over, their lengths differ from sample to sample.
func keys(text string) (all []string) {
	GinkgoHelper()
	d := json.NewDecoder(strings.NewReader(text))
	var walk func(path string, inArray bool)
	walk = func(path string, inArray bool) {
		t, err := d.Token()
		Expect(err).NotTo(HaveOccurred())
		switch t {
		case json.Delim('{'):
			for d.More() {
				k, _ := d.Token()
				if !inArray {
					all = append(all, path+"."+k.(string))
				}
				walk(path+"."+k.(string), inArray)
			}
			_, _ = d.Token()
		case json.Delim('['):
			for d.More() {
				walk(path, true)
			}
			_, _ = d.Token()
		}
	}
	walk("", false)
	return all
}

var _ = Describe("the simulated upstream", func() {
	now := time.Unix(1_795_000_000, 0)
	at := func(o Options) *Simulator {
		o.Now = func() time.Time { return now }
		return New(o)
	}
	It("answers with the keys of the recorded status API, in their order", func() {
		_, body := get(at(Options{Calm: true}), "us-east")
		golden, err := os.ReadFile("../../test/contract/testdata/payload-us-east.json")
		Expect(err).NotTo(HaveOccurred())
		Expect(keys(body)).To(Equal(keys(string(golden))))
	})
	It("answers the same within a step and another value in the next", func() {
		s := at(Options{Calm: true})
		_, first := get(s, "eu-west")
		_, again := get(s, "eu-west")
		Expect(again).To(Equal(first))
		now = now.Add(4 * time.Second)
		_, next := get(s, "eu-west")
		Expect(next).NotTo(Equal(first))
	})
	It("degrades and fails now and then, never everywhere at once", func() {
		s := at(Options{})
		seen := make(map[string]int)
		for range 3000 {
			now = now.Add(4 * time.Second)
			failed := 0
			for _, region := range store.Regions() {
				code, body := get(s, region)
				switch {
				case code != http.StatusOK:
					seen["failed"]++
					failed++
				case strings.HasPrefix(body, `{"status":"degraded","server_issue":"{`):
					seen["degraded"]++
				case strings.HasPrefix(body, `{"status":"error","server_issue":"{`):
					seen["error"]++
				}
			}
			Expect(failed).To(BeNumerically("<=", 1))
		}
		Expect(seen).To(HaveLen(3))
	})
	It("serves over real HTTP on loopback", func(ctx SpecContext) {
		base, stop, err := at(Options{Calm: true}).Start(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(base).To(HavePrefix("http://127.0.0.1:"))
		resp, err := http.Get(base + "/demo/sa-east/status?stats=1")
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
		Expect(resp.StatusCode).To(Equal(http.StatusOK))
		http.DefaultClient.CloseIdleConnections()
		Expect(stop(ctx)).To(Succeed())
	})
	It("answers for every name of an API and of a region, each with values of its own", func() {
		s := at(Options{Calm: true})
		seen := make(map[string]string)
		for _, place := range []string{"demo/us-east", "demo/mars_1", "demo/mars_2", "other.2/us-east", "other.2/mars_1"} {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+place+"/status?stats=1", http.NoBody))
			Expect(w.Code).To(Equal(http.StatusOK), place)
			Expect(seen).NotTo(HaveKey(w.Body.String()), place)
			seen[w.Body.String()] = place
		}
	})
	It("knows no other path", func() {
		for _, path := range []string{"/", "/demo/us-east", "/demo/us-east/other", "/demo/US-East/status", "/demo/%3Cb%3E/status", "/demo/" + strings.Repeat("a", 65) + "/status", "/a/b/c/status"} {
			w := httptest.NewRecorder()
			at(Options{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
			Expect(w.Code).To(Equal(http.StatusNotFound), path)
		}
	})
})
