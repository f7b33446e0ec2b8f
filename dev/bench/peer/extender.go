package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"

	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

const highest = 10

// extender answers kube-scheduler from the state.
type extender struct {
	state *state
	ready atomic.Bool
}

func (e *extender) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /filter", func(w http.ResponseWriter, r *http.Request) {
		if asked := decode(w, r); asked != nil {
			answer(w, e.filter(asked))
		}
	})
	mux.HandleFunc("POST /prioritize", func(w http.ResponseWriter, r *http.Request) {
		if asked := decode(w, r); asked != nil {
			answer(w, e.prioritize(asked))
		}
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !e.ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	return mux
}

func decode(w http.ResponseWriter, r *http.Request) *extenderv1.ExtenderArgs {
	var asked extenderv1.ExtenderArgs
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil
	}
	if asked.Pod == nil || asked.NodeNames == nil {
		http.Error(w, "neither pod nor NodeNames", http.StatusBadRequest)
		return nil
	}
	return &asked
}

// answer states the length: the scheduler reuses its connection only after the end of the body.
func answer(w http.ResponseWriter, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

func (e *extender) filter(asked *extenderv1.ExtenderArgs) *extenderv1.ExtenderFilterResult {
	if !e.ready.Load() {
		return &extenderv1.ExtenderFilterResult{Error: "the cache has not synced yet"}
	}
	e.state.mu.RLock()
	defer e.state.mu.RUnlock()
	governing := e.state.governing(asked.Pod)
	if governing == nil {
		return &extenderv1.ExtenderFilterResult{NodeNames: asked.NodeNames}
	}
	for _, u := range governing.units {
		if u.full() {
			continue
		}
		kept := make([]string, 0, len(*asked.NodeNames))
		for _, name := range *asked.NodeNames {
			if _, ok := u.nodes[name]; ok {
				kept = append(kept, name)
			}
		}
		if len(kept) > 0 {
			return &extenderv1.ExtenderFilterResult{NodeNames: &kept}
		}
	}
	return &extenderv1.ExtenderFilterResult{
		NodeNames:                  &[]string{},
		FailedAndUnresolvableNodes: refused(governing, *asked.NodeNames),
	}
}

// refused has a reason for each name: its unit's cap, else that it is in no unit.
func refused(governing *policy, names []string) extenderv1.FailedNodesMap {
	failed := make(extenderv1.FailedNodesMap, len(names))
	nowhere := fmt.Sprintf("node(s) in no unit of ResourcePolicy %s", governing.name)
	for _, name := range names {
		failed[name] = nowhere
	}
	for i := len(governing.units) - 1; i >= 0; i-- {
		u := governing.units[i]
		if !u.full() {
			continue
		}
		full := fmt.Sprintf(
			"node(s) in units[%d] of ResourcePolicy %s, which is full: max %d pod(s)", i, governing.name, *u.max)
		for _, name := range names {
			if _, ok := u.nodes[name]; ok {
				failed[name] = full
			}
		}
	}
	return failed
}

func (e *extender) prioritize(asked *extenderv1.ExtenderArgs) extenderv1.HostPriorityList {
	e.state.mu.RLock()
	defer e.state.mu.RUnlock()
	governing := e.state.governing(asked.Pod)
	scores := make(extenderv1.HostPriorityList, 0, len(*asked.NodeNames))
	if governing == nil {
		for _, name := range *asked.NodeNames {
			scores = append(scores, extenderv1.HostPriority{Host: name})
		}
		return scores
	}
	score := scoresOf(governing, *asked.NodeNames)
	for _, name := range *asked.NodeNames {
		scores = append(scores, extenderv1.HostPriority{Host: name, Score: score[name]})
	}
	return scores
}

// scoresOf gives the highest score to the first unit that has candidates, one less to each next.
func scoresOf(governing *policy, names []string) map[string]int64 {
	scored := make(map[string]int64, len(names))
	score := int64(highest)
	for _, u := range governing.units {
		found := false
		for _, name := range names {
			if _, done := scored[name]; done {
				continue
			}
			if _, ok := u.nodes[name]; ok {
				scored[name] = score
				found = true
			}
		}
		if found && score > 0 {
			score--
		}
		if len(scored) == len(names) {
			break
		}
	}
	return scored
}
