using Hearth.Host.Service;
using Hearth.Runtime.Caching;
using Microsoft.Extensions.Configuration;

namespace Hearth.Host.Tests;

[Collection(EnvironmentTests.Name)]
public sealed class ServiceConfigurationTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void A_file_names_models_relative_to_itself()
    {
        var configuration = Read("""
            {"Urls": "http://*:8080", "Limits": {"BodyBytes": 4096, "RequestSeconds": 2.5},
             "Models": [{"Id": "a", "Path": "sub/a.gguf", "ContextLength": 128, "KeyType": "q8_0", "PrefixCaching": false}, {"Path": "b.gguf"}]}
            """);

        Assert.Equal("http://*:8080", configuration.Urls);
        Assert.Equal(4096, configuration.Limits.BodyBytes);
        Assert.Equal(2.5, configuration.Limits.RequestSeconds);
        Assert.Equal(Path.Combine(_folder.Path, "sub", "a.gguf"), configuration.Models[0].Path);
        Assert.Equal("b", configuration.Models[1].EffectiveId);
        var options = configuration.Models[0].ToOptions();
        Assert.Equal(("a", 128, CacheType.Q8_0, false), (options.Id, options.ContextLength, options.KeyType, options.PrefixCaching));
    }

    [Fact]
    public void A_model_may_say_what_it_is_for_and_how_it_pools()
    {
        var models = Read("""{"Models": [{"Path": "a.gguf", "Kind": "embedding", "Pooling": "cls"}, {"Path": "b.gguf"}]}""").Models;
        Assert.Equal((ModelUse.Embedding, PoolingName.Cls), (models[0].Kind, models[0].Pooling));
        Assert.Equal((null, null), (models[1].Kind, models[1].Pooling));
    }

    [Fact]
    public void Arguments_win_over_the_file()
    {
        var configuration = Read(
            """{"Urls": "http://localhost:1", "Models": [{"Path": "a.gguf"}, {"Path": "b.gguf"}]}""",
            new ServeArguments { Urls = "http://localhost:2", Models = [new ModelConfiguration { Path = "/c.gguf" }] });

        Assert.Equal("http://localhost:2", configuration.Urls);
        Assert.Equal("/c.gguf", Assert.Single(configuration.Models).Path);
    }

    [Fact]
    public void The_environment_wins_over_the_file()
    {
        const string variable = "HEARTH_LIMITS__REQUESTSECONDS";
        try
        {
            Environment.SetEnvironmentVariable(variable, "7");
            Assert.Equal(7, Read("""{"Limits": {"RequestSeconds": 5}, "Models": [{"Path": "a.gguf"}]}""").Limits.RequestSeconds);
        }
        finally
        {
            Environment.SetEnvironmentVariable(variable, null);
        }
    }

    [Theory]
    [InlineData("{", "hearth.json")]
    [InlineData("""{"Modles": []}""", "Modles")]
    [InlineData("""{"Models": [{"Path": "a.gguf", "Thread": 2}]}""", "Thread")]
    [InlineData("""{"Models": [{"Path": "a.gguf", "Threads": "many"}]}""", "many")]
    [InlineData("""{"Models": [{"Id": "a"}]}""", "Models:0: the model 'a' has no Path")]
    [InlineData("""{"Models": [{"Path": "a.gguf", "Kind": "Picture"}]}""", "Picture")]
    [InlineData("""{"Models": [{"Path": "a.gguf", "Kind": "7"}]}""", "Models:0:Kind: one of Text, Embedding is expected, found '7'")]
    [InlineData("""{"Models": [{"Path": "a.gguf", "Pooling": "0"}]}""", "Models:0:Pooling: one of Mean, Cls, Last, Rank is expected, found '0'")]
    [InlineData("""{"Models": [{"Path": "a.gguf", "Kind": "Text", "Pooling": "mean"}]}""", "Pooling has no meaning")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}, {"Path": "b/a.gguf"}]}""", "'a'")]
    [InlineData("""{"Models": [null]}""", "Models:0: a model is expected, {\"Path\": ...}, found nothing")]
    [InlineData("""{"Models": ["a.gguf"]}""", "Models:0: a model is expected, {\"Path\": ...}, found 'a.gguf'")]
    [InlineData("""{"Models": {"Path": "a.gguf"}}""", "Models: an array is expected, found an object with the key 'Path'")]
    [InlineData("""{"Models": []}""", "Models: an array of at least one model is expected")]
    [InlineData("""{"Models": "a.gguf"}""", "Models: an array of at least one model is expected, found 'a.gguf'")]
    [InlineData("""{"Models": [{"Path": ["a.gguf"]}]}""", "Models:0:Path: a text is expected, found an object or an array")]
    [InlineData("""{"Models": [{"Path": "a.gguf", "Threads": 1.5}]}""", "Models:0:Threads: a whole number of 32 bits is expected, found '1.5'")]
    [InlineData("""{"Models": [{"Path": "a.gguf", "KeyType": "q9"}]}""", "Models:0:KeyType: one of ")]
    [InlineData("""{"Models": [{"Path": "a.gguf", "PrefixCaching": "yes"}]}""", "Models:0:PrefixCaching: true or false is expected, found 'yes'")]
    [InlineData("""{"Model": {"Path": "a.gguf"}}""", "Model: one value is expected")]
    [InlineData("""{"Limits": 5, "Models": [{"Path": "a.gguf"}]}""", "Limits: an object is expected, found '5'")]
    [InlineData("""{"Limits": {"Body": 5}, "Models": [{"Path": "a.gguf"}]}""", "Limits:Body: there is no such key; known: BodyBytes")]
    [InlineData("""{"Limits": {"RequestSeconds": "x"}, "Models": [{"Path": "a.gguf"}]}""", "Limits:RequestSeconds: a number is expected, found 'x'")]
    [InlineData("""{"Limits": {"AllBodiesBytes": 4096}, "Models": [{"Path": "a.gguf"}]}""", "Limits:AllBodiesBytes: a number from 16777216")]
    [InlineData("""{"Limits": {"Connections": 0}, "Models": [{"Path": "a.gguf"}]}""", "Limits:Connections")]
    [InlineData("""{"Limits": {"DrainSeconds": -1}, "Models": [{"Path": "a.gguf"}]}""", "Limits:DrainSeconds")]
    [InlineData("""{"Limits": {"PingSeconds": 0}, "Models": [{"Path": "a.gguf"}]}""", "Limits:PingSeconds")]
    [InlineData("""{"AllowedHosts": {"a": "b"}, "Models": [{"Path": "a.gguf"}]}""", "AllowedHosts: an array is expected")]
    [InlineData("""{"AllowedOrigins": [5, null], "Models": [{"Path": "a.gguf"}]}""", "AllowedOrigins:1: a text is expected")]
    [InlineData("""{"PrefixSharing": "Nobody", "Models": [{"Path": "a.gguf"}]}""", "PrefixSharing: one of All, Client is expected, found 'Nobody'")]
    [InlineData("""{"Kestrel": {"Endpoint": {}}, "Kestrels": 1}""", "'Kestrels'")]
    [InlineData("""{"Kestrel": {"Endpoint": {"A": {"Url": "http://127.0.0.1:1"}}}}""", "Kestrel:Endpoint")]
    [InlineData("""{"Logging": {"LogLevel": {"Default": "Loud"}}}""", "Logging:LogLevel:Default: one of Trace")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Urls": ["http://127.0.0.1:1"]}""", "Urls: one value is expected")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Urls": ""}""", "an address to listen on is expected")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Urls": " ; "}""", "an address to listen on is expected")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Urls": "http://nohost.invalid:4431"}""", "names the host 'nohost.invalid'")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Urls": "http://user@127.0.0.1:4431"}""", "names the host 'user@127.0.0.1'")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Urls": "http://127.0.0.1:4431/path"}""", "has a path, '/path'")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Urls": "http://127.0.0.1:4431?x=1"}""", "names the host")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Urls": "http://127.0.0.1:99999"}""", "has the port 99999")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Urls": "http://localhost:0"}""", "write 127.0.0.1:0")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Urls": "ftp://127.0.0.1"}""", "no http or https address")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Urls": "localhost"}""", "localhost")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Limits": {"BodyBytes": 1}}""", "BodyBytes")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Limits": {"BodyBytes": 99999999999}}""", "BodyBytes")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Limits": {"RequestSeconds": 0}}""", "RequestSeconds")]
    public void What_cannot_be_used_is_named(string json, string named)
    {
        var error = Assert.Throws<HearthException>(() => Read(json));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        Assert.True(error.Message.Contains("hearth.json", StringComparison.Ordinal) || error.Message.StartsWith("configuration: ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("http://*:80")]
    [InlineData("http://+:80;https://127.0.0.1:0")]
    [InlineData("http://[::1]:4327; http://localhost:4327 ;")]
    [InlineData("http://unix:/run/hearth.sock")]
    [InlineData("HTTP://0.0.0.0")]
    public void An_address_that_is_meant_as_it_is_written_is_taken(string urls)
        => Assert.Equal(urls, Read($$"""{"Urls": "{{urls}}", "Models": [{"Path": "a.gguf"}]}""").Urls);

    [Fact]
    public void A_variable_that_holds_a_wrong_value_is_named()
    {
        const string variable = "HEARTH_LIMITS__PINGSECONDS";
        try
        {
            Environment.SetEnvironmentVariable(variable, "often");
            var error = Assert.Throws<HearthException>(() => Read("""{"Models": [{"Path": "a.gguf"}]}"""));
            Assert.Equal($"the variable {variable}: Limits:PINGSECONDS: a number is expected, found 'often'", error.Message);
        }
        finally
        {
            Environment.SetEnvironmentVariable(variable, null);
        }
    }

    [Fact]
    public void Variables_of_other_programs_count_for_nothing()
    {
        try
        {
            Environment.SetEnvironmentVariable("URLS", "http://*:1");
            Environment.SetEnvironmentVariable("MODEL", "nowhere");
            var builder = Microsoft.AspNetCore.Builder.WebApplication.CreateSlimBuilder();
            ConfigurationSources.Add(builder.Configuration, _folder.Write("hearth.json", """{"Models": [{"Path": "a.gguf"}]}"""));
            var read = ServiceConfiguration.Read(builder.Configuration, new ServeArguments());
            Assert.Equal((ServiceConfiguration.DefaultUrls, "a"), (read.Urls, Assert.Single(read.Models).EffectiveId));
        }
        finally
        {
            Environment.SetEnvironmentVariable("URLS", null);
            Environment.SetEnvironmentVariable("MODEL", null);
        }
    }

    [Fact]
    public void Lists_are_arrays_or_texts_with_semicolons()
    {
        var read = Read("""{"AllowedHosts": ["a.example", "*.b.example"], "AllowedOrigins": "https://c.example;null", "Models": [{"Path": "a.gguf"}]}""");
        Assert.Equal(["a.example", "*.b.example"], read.AllowedHosts);
        Assert.Equal(["https://c.example", "null"], read.AllowedOrigins);
    }

    [Fact]
    public void A_file_that_was_asked_for_must_exist()
        => Assert.Contains("nowhere.json", Assert.Throws<HearthException>(() => ConfigurationSources.FindFile("nowhere.json")).Message, StringComparison.Ordinal);

    public void Dispose() => _folder.Dispose();

    private ServiceConfiguration Read(string json, ServeArguments? arguments = null)
    {
        arguments = (arguments ?? new ServeArguments()) with { File = _folder.Write("hearth.json", json) };
        var builder = new ConfigurationBuilder();
        ConfigurationSources.Add(builder, arguments.File);
        return ServiceConfiguration.Read(builder.Build(), arguments);
    }
}
