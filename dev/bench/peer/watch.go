package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

var policyResource = schema.GroupVersionResource{
	Group: "scheduling.alibabacloud.com", Version: "v1alpha1", Resource: "resourcepolicies",
}

const byNode = "byNode"

// watch returns once every first list has been taken in; the informers go on until ctx ends.
func watch(ctx context.Context, typed kubernetes.Interface, untyped dynamic.Interface, s *state) error {
	strip := informers.WithTransform(stripped)
	factory := informers.NewSharedInformerFactoryWithOptions(typed, 0, strip)
	custom := dynamicinformer.NewDynamicSharedInformerFactory(untyped, 0)
	nodes := factory.Core().V1().Nodes().Informer()
	pods := factory.Core().V1().Pods().Informer()
	policies := custom.ForResource(policyResource).Informer()
	if err := pods.AddIndexers(cache.Indexers{byNode: nodeNameOf}); err != nil {
		return err
	}
	custom.Start(ctx.Done())
	factory.Start(ctx.Done())
	// One after the other, so that no first list has what came before it counted again.
	for _, handled := range []struct {
		informer cache.SharedIndexInformer
		handler  cache.ResourceEventHandler
	}{
		{policies, policyHandler(s, pods.GetIndexer())},
		{nodes, nodeHandler(s, pods.GetIndexer())},
		{pods, podHandler(s)},
	} {
		registered, err := handled.informer.AddEventHandler(handled.handler)
		if err != nil {
			return err
		}
		if !cache.WaitForCacheSync(ctx.Done(), registered.HasSynced) {
			return fmt.Errorf("stopped before the first lists were in")
		}
	}
	return nil
}

// stripped drops what nobody here reads and what makes up half of an object.
func stripped(object any) (any, error) {
	if read, err := meta.Accessor(object); err == nil {
		read.SetManagedFields(nil)
	}
	return object, nil
}

func nodeNameOf(object any) ([]string, error) {
	if pod, ok := object.(*corev1.Pod); ok && pod.Spec.NodeName != "" {
		return []string{pod.Spec.NodeName}, nil
	}
	return nil, nil
}

// last is the object of a deletion, which may be a tombstone.
func last(object any) any {
	if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		return tombstone.Obj
	}
	return object
}

func podHandler(s *state) cache.ResourceEventHandler {
	put := func(object any) {
		if pod, ok := object.(*corev1.Pod); ok {
			s.putPods(pod)
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    put,
		UpdateFunc: func(_, now any) { put(now) },
		DeleteFunc: func(object any) {
			if pod, ok := last(object).(*corev1.Pod); ok {
				s.dropPod(pod.UID)
			}
		},
	}
}

func nodeHandler(s *state, pods cache.Indexer) cache.ResourceEventHandler {
	put := func(object any) {
		if node, ok := object.(*corev1.Node); ok && s.putNode(node.Name, node.Labels) {
			recount(s, pods, byNode, node.Name)
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    put,
		UpdateFunc: func(_, now any) { put(now) },
		DeleteFunc: func(object any) {
			if node, ok := last(object).(*corev1.Node); ok {
				s.dropNode(node.Name)
				recount(s, pods, byNode, node.Name)
			}
		},
	}
}

func policyHandler(s *state, pods cache.Indexer) cache.ResourceEventHandler {
	put := func(object any) {
		if read := policyOf(object); read != nil {
			s.putPolicy(read)
			recount(s, pods, cache.NamespaceIndex, read.namespace)
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    put,
		UpdateFunc: func(_, now any) { put(now) },
		DeleteFunc: func(object any) {
			if gone, ok := last(object).(*unstructured.Unstructured); ok {
				s.dropPolicy(gone.GetNamespace(), gone.GetName())
				recount(s, pods, cache.NamespaceIndex, gone.GetNamespace())
			}
		},
	}
}

func recount(s *state, pods cache.Indexer, index, value string) {
	found, err := pods.ByIndex(index, value)
	if err != nil {
		return
	}
	listed := make([]*corev1.Pod, 0, len(found))
	for _, object := range found {
		if pod, ok := object.(*corev1.Pod); ok {
			listed = append(listed, pod)
		}
	}
	s.putPods(listed...)
}

// written is the part of a ResourcePolicy's spec that this peer reads.
type written struct {
	Selector map[string]string `json:"selector"`
	Units    []struct {
		NodeSelector map[string]string `json:"nodeSelector"`
		Max          *int64            `json:"max"`
	} `json:"units"`
}

func policyOf(object any) *policy {
	read, ok := object.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	spec, _, err := unstructured.NestedMap(read.Object, "spec")
	if err != nil {
		return nil
	}
	var from written
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(spec, &from); err != nil {
		return nil
	}
	units := make([]*unit, 0, len(from.Units))
	for _, u := range from.Units {
		units = append(units, &unit{selector: u.NodeSelector, max: u.Max})
	}
	return &policy{
		namespace: read.GetNamespace(),
		name:      read.GetName(),
		created:   read.GetCreationTimestamp().Time,
		selector:  from.Selector,
		units:     units,
	}
}
