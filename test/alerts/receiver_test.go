package alerts

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// notification is a message as Alertmanager's webhook has it, version 4.
type notification struct {
	Version, GroupKey, Status, Receiver, ExternalURL string
	TruncatedAlerts                                  int
	GroupLabels, CommonLabels, CommonAnnotations     map[string]string
	Alerts                                           []struct {
		Status              string
		Labels, Annotations map[string]string
		StartsAt, EndsAt    time.Time
		GeneratorURL        string
		Fingerprint         string
	}
}

func (n notification) String() string {
	a := n.Alerts[0]
	return fmt.Sprintf("%s %s %s", n.Status, a.Labels["alertname"], a.Labels["region"])
}

// receiver is a webhook that keeps what it is told. It knows a message that comes
// again by its key, as receivers are meant to.
type receiver struct {
	server *httptest.Server

	mu     sync.Mutex
	answer func(w http.ResponseWriter, text string, take func()) // nil: it takes everything
	keys   []string
	texts  []string // one for each key
	bodies []notification
	tries  int
}

func newReceiver() *receiver {
	r := &receiver{}
	r.server = httptest.NewServer(r)
	DeferCleanup(r.server.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	defer GinkgoRecover()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // its sender has been killed
	}
	var n notification
	Expect(json.Unmarshal(body, &n)).To(Succeed(), string(body))
	Expect(n.Alerts).To(HaveLen(1))
	key := req.Header.Get("Idempotency-Key")
	Expect(key).NotTo(BeEmpty())
	r.mu.Lock()
	r.tries++
	answer := r.answer
	r.mu.Unlock()
	GinkgoWriter.Println(time.Now().Format("15:04:05.000"), "the receiver is told:", n, key)
	if answer == nil {
		r.take(key, n)
		return
	}
	answer(w, n.String(), func() { r.take(key, n) })
}

// take keeps a message, once.
func (r *receiver) take(key string, n notification) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.keys, key) {
		r.keys, r.texts, r.bodies = append(r.keys, key), append(r.texts, n.String()), append(r.bodies, n)
	}
}

// does changes how it answers; nil: it takes what it is told.
func (r *receiver) does(answer func(w http.ResponseWriter, text string, take func())) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// heard returns what it was told, in order.
func (r *receiver) heard() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.texts)
}

func (r *receiver) tried() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tries
}

func (r *receiver) messages() []notification {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.bodies)
}

// hears waits until it was told exactly this.
func (r *receiver) hears(texts ...string) {
	GinkgoHelper()
	Eventually(r.heard, "40s", "50ms").Should(Equal(texts))
}
