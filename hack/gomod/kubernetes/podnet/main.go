// Command podnet is the pod network of the local cluster: one instance a node, on the host network.
//
// It writes the node's CNI configuration (ptp with addresses out of the node's podCIDR), keeps a route to every
// other node's podCIDR through that node, and masquerades what leaves the pod network. All nodes share one
// link, so that plain routes do and no overlay is needed. It does not enforce NetworkPolicy.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

const (
	confDir  = "/etc/cni/net.d"
	confName = "10-podnet.conflist"
	chain    = "PODNET-MASQ"
)

func main() {
	self, podSubnet, server := os.Getenv("NODE_NAME"), os.Getenv("POD_SUBNET"), os.Getenv("API_SERVER")
	if self == "" || podSubnet == "" || server == "" {
		log.Fatal("NODE_NAME, POD_SUBNET and API_SERVER must be set")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	config, err := rest.InClusterConfig()
	if err != nil {
		log.Fatal(err)
	}
	config.Host = server // the control plane's own address, as this runs before Services do
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatal(err)
	}
	// The resync repairs routes and rules that something else removed.
	factory := informers.NewSharedInformerFactory(client, time.Minute)
	apply := func(obj any) {
		node, ok := obj.(*corev1.Node)
		if !ok || node.Spec.PodCIDR == "" {
			return
		}
		var err error
		if node.Name == self {
			err = setUpOwn(node.Spec.PodCIDR, podSubnet)
		} else {
			err = routeTo(node)
		}
		if err != nil {
			log.Printf("node %s: %v", node.Name, err) // the next resync tries again
		}
	}
	_, err = factory.Core().V1().Nodes().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    apply,
		UpdateFunc: func(_, now any) { apply(now) },
		DeleteFunc: func(obj any) {
			if node, ok := obj.(*corev1.Node); ok && node.Spec.PodCIDR != "" {
				_ = run("ip", "route", "del", node.Spec.PodCIDR)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	factory.Start(ctx.Done())
	<-ctx.Done()
	factory.Shutdown()
}

// routeTo sends the other node's pod addresses through that node.
func routeTo(node *corev1.Node) error {
	for _, address := range node.Status.Addresses {
		if ip := net.ParseIP(address.Address); address.Type == corev1.NodeInternalIP && ip.To4() != nil {
			return run("ip", "route", "replace", node.Spec.PodCIDR, "via", address.Address)
		}
	}
	return fmt.Errorf("has no IPv4 address yet")
}

// setUpOwn writes the CNI configuration last: with it the node reports Ready and pods begin to start.
func setUpOwn(podCIDR, podSubnet string) error {
	// -N and the rules fail where they exist already, which -C tells apart beforehand.
	_ = run("iptables", "-w", "-t", "nat", "-N", chain)
	for _, rule := range [][]string{
		{chain, "-d", podSubnet, "-j", "RETURN"},
		{chain, "-d", "224.0.0.0/4", "-j", "RETURN"},
		{chain, "-j", "MASQUERADE"},
		{"POSTROUTING", "-s", podCIDR, "-j", chain},
	} {
		if run(append([]string{"iptables", "-w", "-t", "nat", "-C"}, rule...)...) == nil {
			continue
		}
		if err := run(append([]string{"iptables", "-w", "-t", "nat", "-A"}, rule...)...); err != nil {
			return err
		}
	}
	return writeConf(podCIDR)
}

func writeConf(podCIDR string) error {
	mtu, err := uplinkMTU()
	if err != nil {
		return err
	}
	conf, err := json.MarshalIndent(map[string]any{
		"cniVersion": "0.4.0",
		"name":       "podnet",
		"plugins": []any{
			map[string]any{
				"type": "ptp",
				"mtu":  mtu,
				"ipam": map[string]any{
					"type":    "host-local",
					"dataDir": "/run/cni-ipam-state", // gone with a restart of the node, like its pods
					"ranges":  []any{[]any{map[string]any{"subnet": podCIDR}}},
					"routes":  []any{map[string]any{"dst": "0.0.0.0/0"}},
				},
			},
			map[string]any{"type": "portmap", "capabilities": map[string]any{"portMappings": true}},
		},
	}, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(confDir, confName)
	if old, err := os.ReadFile(path); err == nil && string(old) == string(conf) {
		return nil
	}
	// containerd watches the folder: it must never see half a file.
	temp := filepath.Join(confDir, "."+confName)
	if err := os.WriteFile(temp, conf, 0o644); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// uplinkMTU is that of the node's link to the other nodes; a larger one in the pods would lose packets.
func uplinkMTU() (int, error) {
	link, err := net.InterfaceByName("eth0")
	if err != nil {
		return 0, fmt.Errorf("eth0: %w", err)
	}
	return link.MTU, nil
}

func run(args ...string) error {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%v: %w: %s", args, err, out)
	}
	return nil
}
