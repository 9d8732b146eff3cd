using System.Text.Json.Nodes;
using Hearth.Host.CommandLine;
using Hearth.Host.Service;

namespace Hearth.Host.Tests.Keys;

/// <summary>hearth keys, and the file behind it.</summary>
public sealed class KeysVerbTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string File => Path.Combine(_folder.Path, "sub", "keys.json");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_key_is_shown_once_and_kept_as_a_digest_for_its_owners_eyes()
    {
        var (code, secret, error) = await RunAsync("add", "alice", "--model", "ember", "--model", "b", "--allow", "generate,inspect", "--requests-per-minute", "5", "--tokens-per-day", "1000", "--expires", "30");
        Assert.Equal(0, code);
        Assert.Matches("^hearth-[A-Za-z0-9_-]{43}\n$", secret.ReplaceLineEndings("\n"));
        Assert.DoesNotContain(secret.Trim(), error, StringComparison.Ordinal);
        Assert.DoesNotContain(secret.Trim()[7..], await System.IO.File.ReadAllTextAsync(File), StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(File));
        }

        var key = Assert.Single(new KeyFile(File).Read());
        Assert.Equal(ApiKey.DigestOf(secret.Trim()), key.Digest);
        Assert.Equal(("alice", KeyVerbs.Generate | KeyVerbs.Inspect, 5, 1000L), (key.Name, key.Verbs, key.Limits.RequestsPerMinute!.Value, key.Limits.TokensPerDay!.Value));
        Assert.Equal(["ember", "b"], key.Models);
        var (_, list, _) = await RunAsync("list", "--json");
        Assert.Equal("alice", JsonNode.Parse(list)!["name"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_name_has_one_key_and_a_revoked_one_makes_room_for_another()
    {
        await RunAsync("add", "alice");
        var first = new KeyFile(File).Read()[0];
        var (code, output, error) = await RunAsync("add", "alice");
        Assert.Equal((1, "", "hearth: there is a key 'alice' already; 'hearth keys revoke alice' takes it away"), (code, output, error.Trim()));
        Assert.Equal(0, (await RunAsync("revoke", "alice")).Code);
        Assert.NotNull(new KeyFile(File).Read()[0].Revoked);
        (code, _, error) = await RunAsync("revoke", "alice");
        Assert.Equal((1, $"hearth: {File} has no key 'alice' to revoke"), (code, error.Trim()));
        Assert.Equal(0, (await RunAsync("add", "alice")).Code);

        // Another bearer of the name finds nothing of the first one's.
        Assert.NotEqual(first.Id, Assert.Single(new KeyFile(File).Read()).Id);
    }

    [Theory]
    [InlineData("add", "a b", "the name 'a b' must have")]
    [InlineData("add", "a --allow dance", "--allow wants one of generate, embed, inspect, manage, found 'dance'")]
    [InlineData("add", "a --tokens-per-day 0", "--tokens-per-day wants at least 1")]
    [InlineData("add", "a --expires -1", "--expires wants 0 to 36500 days, found -1")]
    public async Task What_is_wrong_is_named(string verb, string arguments, string named)
    {
        var name = arguments == "a b" ? [arguments] : arguments.Split(' ');
        var (code, _, error) = await RunAsync([verb, .. name]);
        Assert.Equal(2, code);
        Assert.Contains(named, error, StringComparison.Ordinal);
        Assert.False(System.IO.File.Exists(File));
    }

    [Theory]
    [InlineData("{", "keys.json: ")]
    [InlineData("[]", "keys.json: ")]
    [InlineData("null", "an object with keys is expected, found null")]
    [InlineData("""{"keys": [{"id": "1", "name": "a", "sha256": "00", "verbs": []}]}""", "keys:0: sha256 must have 64 hexadecimal digits")]
    [InlineData("""{"keys": [{"id": "1", "name": "a\nb", "sha256": "00", "verbs": []}]}""", "keys:0: the name must have")]
    [InlineData("""{"keys": [{"id": "1", "name": "a", "sha256": "00", "verbs": [], "admin": true}]}""", "admin")]
    [InlineData("""{"keys": [{"id": "1", "name": "a", "sha256": "0000000000000000000000000000000000000000000000000000000000000000", "verbs": ["all"]}]}""", "keys:0: one of generate, embed, inspect, manage is expected, found 'all'")]
    [InlineData("""{"keys": [{"id": "1", "name": "a", "sha256": "0000000000000000000000000000000000000000000000000000000000000000", "verbs": [], "tokensPerDay": -1}]}""", "keys:0: a limit must be at least 1, found -1")]
    public async Task A_file_that_nobody_would_have_written_is_one_line_and_stays_as_it_is(string text, string named)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(File)!);
        await System.IO.File.WriteAllTextAsync(File, text);
        var (code, _, error) = await RunAsync("add", "alice");
        Assert.Equal(1, code);
        Assert.Single(error.Trim().Split('\n'));
        Assert.Contains(named, error, StringComparison.Ordinal);
        Assert.Contains(File, error, StringComparison.Ordinal);
        Assert.Equal(text, await System.IO.File.ReadAllTextAsync(File));
    }

    [Fact]
    public async Task Many_who_add_at_once_all_have_their_keys()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() => RunAsync("add", $"user{i}"))));
        Assert.Equal(8, new KeyFile(File).Read().Count);
    }

    [Fact]
    public async Task The_configuration_says_where_the_keys_are()
    {
        var config = _folder.Write("hearth.json", """{"KeyFile": "elsewhere/k.json"}""");
        using var error = new StringWriter();
        using var output = new StringWriter();
        var environment = new CommandEnvironment { Input = Stream.Null, Output = output, Error = error, Load = (_, _, _) => throw new InvalidOperationException() };
        Assert.Equal(0, await HearthCommand.RunAsync(["keys", "add", "alice", "--config", config], environment, TestContext.Current.CancellationToken));
        Assert.Single(new KeyFile(Path.Combine(_folder.Path, "elsewhere", "k.json")).Read());
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var error = new StringWriter();
        using var output = new StringWriter();
        var environment = new CommandEnvironment { Input = Stream.Null, Output = output, Error = error, Load = (_, _, _) => throw new InvalidOperationException() };
        var code = await HearthCommand.RunAsync(["keys", .. arguments, "--file", File], environment, TestContext.Current.CancellationToken);
        return (code, output.ToString(), error.ToString());
    }
}
