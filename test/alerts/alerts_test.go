// Package alerts tries the alerts of the real program: an upstream has outages by
// a script, instances are killed and stopped, receivers fail and come back, and
// what the receivers have got is compared with the exact list that they must get.
package alerts

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"

	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/ports"
)

func TestAlerts(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Alerts")
}

var program string

var _ = SynchronizedBeforeSuite(func() []byte {
	path, err := gexec.Build("github.com/devops-insights/devops-insights/cmd/devops-insights")
	Expect(err).NotTo(HaveOccurred())
	return []byte(path)
}, func(path []byte) { program = string(path) })

var _ = SynchronizedAfterSuite(func() {}, gexec.CleanupBuildArtifacts)

// pollInterval is how often the program polls.
const pollInterval = 200 * time.Millisecond

// instance is one running program.
type instance struct {
	*gexec.Session
	port int
}

func (i *instance) url(path string) string { return fmt.Sprint("http://127.0.0.1:", i.port, path) }

// run starts the program in a directory with further settings, and returns when it
// is ready.
func run(dir string, upstream *kit.Upstream, environ ...string) *instance {
	GinkgoHelper()
	port, err := ports.Free(1)
	Expect(err).NotTo(HaveOccurred())
	cmd := exec.Command(program)
	cmd.Dir = dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "DATA_DIR=" + dir, "SERVER_HOST=127.0.0.1", fmt.Sprint("SERVER_PORT=", port),
		"EXTERNAL_API_NAME=acme", "UPSTREAM_URL=" + upstream.Template(), "POLL_INTERVAL=" + pollInterval.String(),
	}, environ...)
	session, err := gexec.Start(cmd, GinkgoWriter, GinkgoWriter)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { session.Kill().Wait("10s") })
	i := &instance{session, port}
	Eventually(func() int {
		resp, err := http.Get(i.url("/readyz"))
		if err != nil {
			return 0
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}, "30s", "20ms").Should(Equal(200))
	return i
}

// polled waits until the upstream has been asked for a region that many times more.
func polled(upstream *kit.Upstream, region string, times int) {
	GinkgoHelper()
	before := upstream.Polls(region)
	Eventually(func() int { return upstream.Polls(region) }, "30s", "20ms").Should(BeNumerically(">=", before+times))
}
