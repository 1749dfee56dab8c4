// PM2: fork mode, because cluster mode is for Node programs only. The binary
// reports that it is ready over PM2's channel, drains within kill_timeout, and
// exits with 78 on a bad setting, which a restart would not mend.
//
// INSTANCES=3 pm2 start ecosystem.config.js runs devops-insights,
// devops-insights-1 and devops-insights-2, on the ports from SERVER_PORT on.
// They need one DATABASE_URL, one REDIS_HOST, and a balancer that keeps a
// client at its instance: see deploy/nginx and deploy/haproxy.
//
// Each instance is an app of its own: the ports of PM2's increment_var are all
// the same after a reload.
const instances = Number(process.env.INSTANCES || 1);
const port = Number(process.env.SERVER_PORT || process.env.PORT || 5000);

module.exports = {
  apps: Array.from({ length: instances }, (_, i) => ({
    name: i === 0 ? "devops-insights" : `devops-insights-${i}`,
    script: "./bin/devops-insights",
    interpreter: "none",
    exec_mode: "fork",
    env: { SERVER_PORT: port + i },
    wait_ready: true,
    listen_timeout: 15000,
    kill_timeout: 15000, // above DRAIN_TIMEOUT, 10 s unless set
    stop_exit_codes: [78],
    exp_backoff_restart_delay: 200,
  })),
};
