// The peer is the same extender as a Go programmer would write it: the measure that ours is held to.
//
// net/http, encoding/json, the types of extender/v1, client-go's informers; order, caps and refusals are
// ours, and so is the index that answers from sets. It reserves nothing, counts no metrics, logs no request.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	bind := flag.String("bind", "127.0.0.1:8888", "HOST:PORT to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := serve(ctx, *kubeconfig, *bind); err != nil {
		log.Fatalf("peer: %v", err)
	}
}

func serve(ctx context.Context, kubeconfig, bind string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	untyped, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	// Cheaper than JSON where the server speaks it; custom resources have JSON only.
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	state := newState()
	extender := &extender{state: state}
	go func() {
		if err := watch(ctx, typed, untyped, state); err != nil {
			log.Printf("peer: %v", err)
			return
		}
		extender.ready.Store(true)
	}()
	// As long as ours keeps a connection: the scheduler is the one that closes.
	server := &http.Server{Addr: bind, Handler: extender.handler(), IdleTimeout: 120 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}
