namespace Hearth.Host.Http;

/// <summary>GET /: what runs here, for people. Everything the page shows comes from /health and /v1/models.</summary>
internal static class StatusPage
{
    public static void MapStatusPage(this IEndpointRouteBuilder routes) => routes.MapMethods("/", HealthEndpoint.ReadMethods, () => Results.Text(Page, "text/html; charset=utf-8"));

    private const string Page = """
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Hearth</title>
        <style>
          :root { color-scheme: light dark; }
          body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; }
          table { border-collapse: collapse; width: 100%; }
          th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884; }
          code { font-size: .9em; }
        </style>
        <h1>Hearth</h1>
        <p id="status">Asking the service …</p>
        <table><thead><tr><th>Model<th>Status<th>Running<th>Waiting<th>Pages used / cached / all</thead><tbody id="models"></tbody></table>
        <p>The APIs are OpenAI's (<code>/v1/chat/completions</code>, <code>/v1/completions</code>, <code>/v1/responses</code>, <code>/v1/embeddings</code>, <code>/v1/rerank</code>, <code>/v1/models</code>), Anthropic's (<code>/v1/messages</code>), Ollama's (<code>/api/chat</code> and its kin) and llama-server's (<code>/completion</code> and its kin); <code>GET /health</code>.</p>
        <script>
          async function refresh() {
            try {
              const health = await (await fetch('/health')).json();
              document.getElementById('status').textContent = 'The service is ' + health.status + '.';
              document.getElementById('models').replaceChildren(...health.models.map(model => {
                const load = model.load;
                const cells = [model.id, model.error ?? (model.progress === undefined ? model.status : model.status + ' ' + Math.round(model.progress * 100) + ' %'),
                  load?.running_requests ?? '', load?.waiting_requests ?? '',
                  load?.total_pages !== undefined ? load.used_pages + ' / ' + load.cached_pages + ' / ' + load.total_pages : ''];
                const row = document.createElement('tr');
                row.append(...cells.map(text => { const cell = document.createElement('td'); cell.textContent = text; return cell; }));
                return row;
              }));
            } catch {
              document.getElementById('status').textContent = 'The service does not answer.';
            }
          }
          refresh();
          setInterval(refresh, 2000);
        </script>
        </html>
        """;
}
