using System.Text;
using System.Text.Json.Nodes;

namespace Hearth.Host.Tests;

/// <summary>What one client learns of another's prompts by the number of cached tokens.</summary>
public sealed class PrefixSharingTests
{
    private const string Secret = "The password of the vault is ember and ash, and nobody knows it but the two of us.";

    [Theory]
    [InlineData("All", true)]
    [InlineData("Client", false)]
    public async Task Clients_with_other_keys_share_prefixes_only_where_they_may(string sharing, bool shares)
    {
        var options = new ModelOptions { Threads = 1 };
        await using var model = await LanguageModel.LoadAsync(Ember.Path, options);
        await using var server = await TestServer.StartAsync(model, configuration: $$"""{"PrefixSharing": "{{sharing}}"}""");
        Assert.Equal(0, await CachedAsync(server, "Bearer one"));
        Assert.True(await CachedAsync(server, "Bearer one") > 0);
        Assert.Equal(shares, await CachedAsync(server, "Bearer two") > 0);
        Assert.Equal(shares, await CachedAsync(server, null) > 0);
        Assert.True(await CachedAsync(server, null) > 0);
    }

    private static async Task<int> CachedAsync(TestServer server, string? key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
        {
            Content = new StringContent($"{{\"prompt\": \"{Secret}\", \"max_tokens\": 1, \"temperature\": 0}}", Encoding.UTF8, "application/json"),
        };
        if (key is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", key);
        }

        using var response = await server.Client.SendAsync(request);
        return JsonNode.Parse(await response.Content.ReadAsStringAsync())!["usage"]!["prompt_tokens_details"]!["cached_tokens"]!.GetValue<int>();
    }
}
