package adminui

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

// eventList is the event with all sockets that are shown.
const eventList = "all_sockets"

const (
	// fetchTimeout bounds the wait for the sockets of other servers.
	fetchTimeout = 5 * time.Second
	// maxRemote is how many sockets they may have to be asked: they answer with
	// all of them.
	maxRemote = 2000
)

// everyone returns the sockets of all namespaces of this server.
func everyone(server *socketio.Server) (all []*socketio.Socket) {
	for _, n := range server.Namespaces() {
		all = append(all, n.Sockets()...)
	}
	return all
}

// choose returns at most as many of the sockets: where they are more, half of them
// are the slowest, for which most waits or which answer latest, and half the
// newest.
func choose(sockets []*socketio.Socket, most int) (chosen []*socketio.Socket) {
	if len(sockets) <= most {
		return sockets
	}
	type candidate struct {
		socket *socketio.Socket
		engineio.SessionInfo
	}
	list := make([]candidate, 0, len(sockets))
	for _, s := range sockets {
		list = append(list, candidate{s, s.Session().Info()})
	}
	take := func(n int, first func(a, b candidate) int) {
		slices.SortFunc(list, first)
		for _, c := range list[:n] {
			chosen = append(chosen, c.socket)
		}
		list = list[n:]
	}
	newest := func(a, b candidate) int { return b.Since.Compare(a.Since) }
	take(most/2, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.QueueBytes, a.QueueBytes), cmp.Compare(b.RTT, a.RTT), newest(a, b))
	})
	take(most-most/2, newest)
	return chosen
}

// list describes sockets of this server that are shown.
func (t *stage) list(most int) []shown {
	t.mu.RLock()
	actors := make([]*socketio.Socket, 0, len(t.actors))
	for s := range t.actors {
		actors = append(actors, s)
	}
	t.mu.RUnlock()
	list := []shown{}
	for _, s := range choose(actors, most) {
		if s.Context().Err() == nil {
			list = append(list, showLocal(s))
		}
	}
	return list
}

// relist sends the administrators of this server a new list of all servers; with
// again, others may be shown than before.
func (t *stage) relist(ctx context.Context, again bool) {
	if again {
		t.fill()
	}
	if t.admin.namespace.Count() == 0 {
		return
	}
	remote, most := t.fetch(ctx), t.admin.MaxSockets
	here := t.count()
	slices.SortFunc(remote, func(a, b shown) int { return cmp.Compare(b.Handshake.Issued, a.Handshake.Issued) })
	remote = remote[:min(len(remote), max(most/2, most-here))]
	t.enqueue(func() {
		list := append(t.list(most-len(remote)), remote...)
		if err := t.admin.namespace.Local().Coalesce(eventList).Emit(eventList, list); err != nil {
			t.admin.Logger.WithError(err).Debug("the list of sockets does not reach all administrators")
		}
	})
}

// fetch returns the sockets of the other servers. Where they have too many it
// returns none: whoever wants to see them connects there.
func (t *stage) fetch(ctx context.Context) (all []shown) {
	if n := t.admin.others.count().sockets; n == 0 || n > maxRemote {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	for _, n := range t.admin.Server.Namespaces() {
		found, err := n.All().FetchRemote(ctx)
		if err != nil {
			t.admin.Logger.WithError(err).Debug("not all servers have told of their sockets")
		}
		for _, s := range found[:min(len(found), maxRemote)] {
			all = append(all, showRemote(s.SocketInfo, n.Name()))
		}
	}
	return all
}
