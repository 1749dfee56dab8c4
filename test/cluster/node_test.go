package cluster

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// node is a real Node server of the cluster with a real client.
type node struct {
	in     io.Writer
	lines  chan line
	client string // the id of its client
}

type line struct {
	What  string
	Value json.RawMessage
}

// command tells the Node server what to do; see cluster.mjs.
type command struct {
	Do        string         `json:"do"`
	Namespace string         `json:"nsp,omitempty"`
	Rooms     []string       `json:"rooms,omitempty"`
	Except    []string       `json:"except,omitempty"`
	Flags     map[string]any `json:"flags,omitempty"`
	Args      []any          `json:"args,omitempty"`
	Close     bool           `json:"close,omitempty"`
}

// listen starts a Node program and returns what it says.
func listen(cmd *exec.Cmd) chan line {
	GinkgoHelper()
	cmd.Dir = "../js"
	cmd.Stderr = GinkgoWriter
	out, err := cmd.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(cmd.Start()).To(Succeed(), "Node.js is needed: make deps says what is missing")
	lines := make(chan line, 10_000)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			var l line
			if json.Unmarshal(s.Bytes(), &l) == nil {
				lines <- l
			}
		}
	}()
	DeferCleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return lines
}

func startNode(redis string, mode ...string) *node {
	GinkgoHelper()
	cmd := exec.Command("node", append([]string{"cluster.mjs", redis}, mode...)...)
	in, err := cmd.StdinPipe()
	Expect(err).NotTo(HaveOccurred())
	n := &node{in: in, lines: listen(cmd)}
	Expect(json.Unmarshal(n.next("ready"), &n.client)).To(Succeed())
	return n
}

// next returns the value of the next line of that kind.
func (n *node) next(what string) json.RawMessage {
	GinkgoHelper()
	var seen []string
	for deadline := time.After(15 * time.Second); ; {
		select {
		case l, open := <-n.lines:
			if !open {
				Fail("the Node server ended")
			}
			if l.What == what {
				return l.Value
			}
			seen = append(seen, l.What+string(l.Value))
		case <-deadline:
			Fail("the Node server never said " + what + "; it said " + strings.Join(seen, " "))
		}
	}
}

func (n *node) tell(c command) {
	GinkgoHelper()
	b, err := json.Marshal(c)
	Expect(err).NotTo(HaveOccurred())
	_, err = n.in.Write(append(b, '\n'))
	Expect(err).NotTo(HaveOccurred())
}

// do tells it and returns the result.
func (n *node) do(c command) string {
	GinkgoHelper()
	n.tell(c)
	return string(n.next("done"))
}
