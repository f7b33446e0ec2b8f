package main

import (
	"sort"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// unit is one entry of spec.units, with the nodes in it and the pods counted in it.
type unit struct {
	selector map[string]string
	max      *int64
	nodes    map[string]struct{}
	pods     int64
}

func (u *unit) full() bool {
	return u.max != nil && u.pods >= *u.max
}

// policy is a ResourcePolicy as far as this peer reads it.
type policy struct {
	namespace string
	name      string
	created   time.Time
	selector  map[string]string
	units     []*unit
}

// unitOf is the first unit that a node is in.
func (p *policy) unitOf(node string) *unit {
	for _, u := range p.units {
		if _, ok := u.nodes[node]; ok {
			return u
		}
	}
	return nil
}

// state is what the informers brought, indexed. Its lock covers every field.
type state struct {
	mu       sync.RWMutex
	nodes    map[string]map[string]string
	policies map[string][]*policy
	counted  map[types.UID]*unit
}

func newState() *state {
	return &state{
		nodes:    map[string]map[string]string{},
		policies: map[string][]*policy{},
		counted:  map[types.UID]*unit{},
	}
}

func carries(labels, pairs map[string]string) bool {
	for key, value := range pairs {
		if found, ok := labels[key]; !ok || found != value {
			return false
		}
	}
	return true
}

// governing is the oldest policy that selects the pod; the lock is held.
func (s *state) governing(pod *corev1.Pod) *policy {
	for _, p := range s.policies[pod.Namespace] {
		if carries(pod.Labels, p.selector) {
			return p
		}
	}
	return nil
}

// putNode takes a node's labels; whether its units changed.
func (s *state) putNode(name string, labels map[string]string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes[name] = labels
	changed := false
	for _, policies := range s.policies {
		for _, p := range policies {
			for _, u := range p.units {
				_, before := u.nodes[name]
				after := carries(labels, u.selector)
				if after && !before {
					u.nodes[name] = struct{}{}
				} else if before && !after {
					delete(u.nodes, name)
				}
				changed = changed || before != after
			}
		}
	}
	return changed
}

func (s *state) dropNode(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.nodes, name)
	for _, policies := range s.policies {
		for _, p := range policies {
			for _, u := range p.units {
				delete(u.nodes, name)
			}
		}
	}
}

// putPolicy takes a policy as it is now; its pods are to be counted again.
func (s *state) putPolicy(put *policy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range put.units {
		u.nodes = map[string]struct{}{}
		for name, labels := range s.nodes {
			if carries(labels, u.selector) {
				u.nodes[name] = struct{}{}
			}
		}
	}
	policies := append(s.others(put.namespace, put.name), put)
	sort.Slice(policies, func(i, j int) bool {
		a, b := policies[i], policies[j]
		if a.created.Equal(b.created) {
			return a.name < b.name
		}
		return a.created.Before(b.created)
	})
	s.policies[put.namespace] = policies
}

func (s *state) dropPolicy(namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policies[namespace] = s.others(namespace, name)
}

func (s *state) others(namespace, name string) []*policy {
	var kept []*policy
	for _, p := range s.policies[namespace] {
		if p.name != name {
			kept = append(kept, p)
		}
	}
	return kept
}

// putPods counts pods where they are now.
func (s *state) putPods(pods ...*corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, pod := range pods {
		s.count(pod.UID, s.placed(pod))
	}
}

func (s *state) dropPod(uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(uid, nil)
}

func (s *state) placed(pod *corev1.Pod) *unit {
	finished := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	if pod.Spec.NodeName == "" || finished {
		return nil
	}
	if p := s.governing(pod); p != nil {
		return p.unitOf(pod.Spec.NodeName)
	}
	return nil
}

func (s *state) count(uid types.UID, now *unit) {
	before := s.counted[uid]
	if before == now {
		return
	}
	if before != nil {
		before.pods--
		delete(s.counted, uid)
	}
	if now != nil {
		now.pods++
		s.counted[uid] = now
	}
}
